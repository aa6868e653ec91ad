"""Dead letters sent again, once what refused them is mended: through the write path, as their senders would.

The ledger holds the refusal as the answer to their bytes, so it is made to forget that first; not the answer of a later try
that succeeded, after which only the letter was left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from llm_observatory.app.health import Health
from llm_observatory.app.write_path import write_path
from llm_observatory.errors import ObservatoryError
from llm_observatory.operate.maintain import Done, Report
from llm_observatory.pipeline.ingest import Ingest
from llm_observatory.pipeline.signal import SIGNALS
from llm_observatory.settings import Settings
from llm_observatory.storage import dead_letters
from llm_observatory.storage.connection import AsyncConnection, connect, connected
from llm_observatory.storage.dead_letters import DeadLetter
from llm_observatory.storage.engine.current import CurrentEngine

HOLD_SECONDS = 60.0
"""For one of them."""

CUT = f"only its first {dead_letters.PAYLOAD_MAX_BYTES:,} bytes were kept: its sender has to send it again"
REFUSED = "refused again, see the table dead_letters"

_SIGNALS = {signal.name: signal for signal in SIGNALS}


async def resend(conninfo: str, settings: Settings, progress: Callable[[str], None]) -> Report:
    """Store what can be, and take those letters away. What is refused again is a letter again. Raises StorageError.

    Records older than ACCEPT_MAX_AGE are taken: they were accepted when they came.
    """
    settings = settings.model_copy(update={"accept_max_age": None})

    async def connecting() -> AsyncConnection:
        return await connect(conninfo, settings.db_app_name)

    done: list[Done] = []
    async with asyncio.TaskGroup() as tasks:
        engine = CurrentEngine(connecting, settings)
        async with (
            connected(conninfo) as connection,
            write_path(settings, connecting, engine, Health(), tasks) as (ingest, _),
        ):
            for letter in await dead_letters.listed(connection):
                began = time.monotonic()
                error = await _resend(connection, ingest, letter)
                done.append(Done(f"{letter.signal} {letter.digest.hex()}", round(time.monotonic() - began, 3), error))
                progress(f"{done[-1].what} of {letter.received_at:%Y-%m-%d %H:%M:%S}: {error or 'stored'}")
    return Report(tuple(done), note=None if done else "there are no dead letters")


async def _resend(connection: AsyncConnection, ingest: Ingest, letter: DeadLetter) -> str | None:
    """Why its records are not stored; None: they are."""
    if letter.is_cut:
        return CUT
    payload = await dead_letters.payload(connection, letter)
    await dead_letters.forget_answer(connection, letter)
    hold_until = asyncio.get_running_loop().time() + HOLD_SECONDS
    try:
        result = await ingest.export(_SIGNALS[letter.signal], letter.tenant, payload, hold_until, lambda: None)
    except ObservatoryError as failed:
        return str(failed)
    # Refused again, it is a letter of its own. Neither taken nor refused: an earlier try had stored it.
    await dead_letters.remove(connection, letter)
    return REFUSED if result.rejected and not result.accepted else None
