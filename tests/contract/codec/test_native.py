"""The native codec beside the reference: whatever bytes come, both make the same of them, or refuse them in the same words."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from llm_observatory import codec
from llm_observatory.codec import EncodedRequest, Terms, reference
from llm_observatory.errors import InvalidPayload
from tests.golden import fuzz
from tests.golden.case import paths, read
from tests.plugins import otlp_messages
from tests.plugins.hostile_wire import write
from tests.plugins.otlp_messages import NOW
from tests.plugins.round_trip import examples
from tests.unit.codec import logs, metrics, spans
from tests.unit.codec.spans import TERMS
from tests.unit.codec.test_doorway import drain

SIGNALS = ("traces", "metrics", "logs")
CORPUS = [(case.signal, case.payload) for case, _ in map(read, paths())]
KEPT = [fuzz.Input.unpack(data) for data in fuzz.kept()]

pytestmark = pytest.mark.native_codec


def outcome(run: Callable[[], Any]) -> Any:
    """What came of it, or how it was refused."""
    try:
        return run()
    except InvalidPayload as refused:
        return str(refused)


def hold(signal: str, payload: bytes, terms: Terms = TERMS) -> EncodedRequest | str:
    """Both codecs say the same of a request."""
    digest = codec.digest(signal, "ten\u00e4nt", payload)
    wanted = outcome(lambda: drain(reference.encode_stepwise(signal, "ten\u00e4nt", payload, digest, NOW, terms))[1])
    made: EncodedRequest | str = outcome(lambda: codec.encode(signal, "ten\u00e4nt", payload, digest, NOW, terms))
    assert made == wanted
    for limit in (0, 3, 1000):
        assert outcome(lambda: codec.count_items(signal, payload, limit)) == outcome(  # noqa: B023  # called at once
            lambda: reference.count_items(signal, payload, limit)  # noqa: B023
        )
        assert codec.is_light(signal, payload, limit) == reference.is_light(signal, payload, limit)
    return made


@pytest.mark.parametrize("signal", SIGNALS)
@examples()
@given(data=st.data())
def test_of_generated_requests_both_make_the_same(signal: str, data: st.DataObject) -> None:
    payload = write(data.draw(otlp_messages.requests(signal)), data.draw(otlp_messages.styles))
    hold(signal, payload, TERMS._replace(content_max_bytes=data.draw(st.sampled_from((0, 1, 40, 2**20)))))


@pytest.mark.parametrize("signal", SIGNALS)
@examples()
@given(data=st.data())
def test_of_any_bytes_both_make_the_same(signal: str, data: st.DataObject) -> None:
    hold(signal, data.draw(st.binary(max_size=200)))


def mutants(source: random.Random, count: int) -> Iterator[tuple[str, bytes]]:
    """Requests of the golden corpus and of the fuzzer's with a few bytes changed, taken out, doubled or spliced."""
    corpus = CORPUS * 3 + [(signal, payload) for signal, payload, _ in KEPT]
    for _ in range(count):
        signal, payload = source.choice(corpus)
        data = bytearray(payload or b"\x0a\x00")
        for _ in range(source.choice((1, 1, 2, 5))):
            at, end = sorted(source.choices(range(len(data) + 1), k=2))
            match source.randrange(6):
                case 0 | 1 if at < len(data):
                    data[at] = source.choice((0, 1, 0x7F, 0x80, 0xFF, source.randrange(256)))
                case 2 if at < len(data):
                    data[at] ^= 1 << source.randrange(8)
                case 3:
                    del data[at : min(end, at + 8)]
                case 4:
                    data[at:at] = data[at : min(end, at + 32)]
                case _:
                    other = source.choice(corpus)[1]
                    data[at:at] = other[: source.randrange(40)]
        yield (signal if source.random() < 0.95 else source.choice(SIGNALS)), bytes(data)


def test_of_what_the_fuzzer_kept_both_make_the_same() -> None:
    made = [hold(*kept) for kept in KEPT]
    assert sum(isinstance(each, EncodedRequest) and each.accepted > 0 for each in made) > 100
    assert sum(isinstance(each, str) for each in made) > 20


def test_an_input_of_the_fuzzer_is_its_request() -> None:
    for data in fuzz.golden():
        assert fuzz.Input.unpack(data).pack() == data


def test_of_mutated_requests_both_make_the_same() -> None:
    stored = 0
    for signal, payload in mutants(random.Random(20261128), 3000):
        made = hold(signal, payload)
        stored += isinstance(made, EncodedRequest) and made.accepted > 0
    assert stored > 200  # else the mutants would say little


def test_numbers_are_written_alike() -> None:
    source = random.Random(7)
    doubles = [otlp_messages.Random(source).double() for _ in range(3000)]
    doubles += [sign * digits * 10.0**power for power in range(-330, 309) for digits in (1, 1.5, 9.999999) for sign in (1, -1)]
    doubles += [float(2**power) for power in range(1024)] + [2.0**-power for power in range(1075)]
    hold("traces", spans.request(spans.span({"n": doubles}), spans.span({"i": [source.getrandbits(63) for _ in range(1000)]})))


def test_texts_of_numbers_and_lists_are_read_alike() -> None:
    numbers: tuple[str, ...] = (
        "+",
        "",
        "-1",
        "+1",
        "1.",
        ".5",
        ".",
        "1e5",
        "1e",
        "e5",
        "0x1",
        "1_0",
        "٣",
        "inf",
        "nan",
        "1e400",
        "9" * 64,
        "9" * 65,
    )
    lists: tuple[str, ...] = (
        "[]",
        '["a"]',
        '["a",]',
        ' ["a"]\x0b',
        '["\\ud83d\\ude00"]',
        '["\\ud83d"]',
        '["\\u0000"]',
        '["a",1]',
        '[["a"]]',
        "[",
    )
    lists += ('["a"]x', '["\x01"]', "[NaN]", '["\\x"]', '["' + "é" * 65532 + '"]', '["' + "é" * 65533 + '"]')
    found = [spans.span({"gen_ai.usage.input_tokens": text, "gen_ai.usage.cost": f" {text}\t"}) for text in numbers]
    found += [spans.span({"gen_ai.response.time_to_first_chunk": text}) for text in numbers]
    found += [spans.span({key: text}) for text in lists for key in ("gen_ai.response.finish_reasons", "llm.finish_reason")]
    hold("traces", spans.request(*found))


def test_other_threads_run_meanwhile() -> None:
    """Nobody is made to give the interpreter away: who waits for it runs before the end only if it is let go of."""
    payload = spans.request(*[spans.span({f"k{n}": "v" * 20 for n in range(20)})] * 100_000)
    began, done = Event(), Event()

    def work() -> None:
        began.set()
        codec.encode("traces", "t", payload, bytes(16), NOW, TERMS)
        done.set()

    worker = Thread(target=work)
    before = sys.getswitchinterval()
    sys.setswitchinterval(100)
    try:
        worker.start()
        began.wait()
        assert not done.is_set()
    finally:
        sys.setswitchinterval(before)
        worker.join()


def test_the_stub_is_true(tmp_path: Path) -> None:
    """Against what is installed: maturin puts the compiled module into a package of the same name, which gives all of it on."""
    allowed = tmp_path / "allowed"
    allowed.write_text("llm_observatory_codec\\.llm_observatory_codec\n")
    run = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "llm_observatory_codec", "--allowlist", allowed],
        env=os.environ | {"MYPYPATH": "native"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


VALUES: tuple[Any, ...] = ("log", "x", "", "\0", "null", "Stop", "é" * 90, "y" * 200, 5, 300, -1, 0.5, True, None)
VALUES += (["stop"], ["stop", "x"], ["Stop"], [1], [], {"k": "v"}, b"b", " OpenAI ", "chat")


@pytest.mark.parametrize("signal", SIGNALS)
def test_records_of_changing_keys_are_read_alike(signal: str) -> None:
    """Native remembers the keys of the last record, and what became of them.

    The same ones, fewer, others, repeated and repaired ones come by turns, with values of every kind.
    """
    source = random.Random(11)
    plain = ["a", "gen_ai.request.model", "gen_ai.prompt", "llm.input_messages.0.x", "llm.model_name", "prompt", "error.type"]
    plain += ["gen_ai.provider.name", "gen_ai.operation.name", "gen_ai.response.finish_reasons", "event.name", "b\n", "content"]
    plain += ["llm.request.model_name"]
    strange = [*plain, "a", "$a", "k\0", "", "logfire.json_schema", "logfire.span_type", "k" * 130]
    made: list[Any] = []
    keys: list[str] = []
    for number in range(3000):
        match source.randrange(6):
            case 0:
                keys = source.sample(plain, source.randrange(len(plain)))
            case 1:
                keys = source.choices(strange, k=source.randrange(6))
            case 2:
                keys = keys[: source.randrange(12)]
        record = RECORDS[signal](number, is_refused=not source.randrange(5))
        for key in keys:
            record.attributes.append(KeyValue(key=key, value=spans.any_value(source.choice(VALUES))))
        made.append(record)
    encoded = hold(signal, REQUEST_OF[signal](made))
    assert isinstance(encoded, EncodedRequest)
    assert 2000 < encoded.accepted < 2800


RECORDS: dict[str, Callable[..., Any]] = {
    "traces": lambda number, *, is_refused: spans.span(span_id=b"" if is_refused else (number + 1).to_bytes(8, "big")),
    "logs": lambda number, *, is_refused: logs.record(
        time_unix_nano=2**63 if is_refused else spans.START, event_name="gen_ai.user.message" if number % 7 == 0 else ""
    ),
    "metrics": lambda number, *, is_refused: metrics.point(as_int=number, time_unix_nano=0 if is_refused else metrics.TIME),
}
REQUEST_OF: dict[str, Callable[[list[Any]], bytes]] = {
    "traces": lambda made: spans.request(*made),
    "logs": lambda made: logs.request(*made),
    "metrics": lambda made: metrics.request(*[metrics.metric("sum", *made[at : at + 500]) for at in range(0, len(made), 500)]),
}


def test_log_records_without_time_have_the_same_ids() -> None:
    """Ids are made four at a time, but for those that say when the record came."""
    source = random.Random(13)
    times = [source.choice((0, spans.START)) for _ in range(203)]
    encoded = hold("logs", logs.request(*[logs.record(time_unix_nano=time) for time in times]))
    assert isinstance(encoded, EncodedRequest)
    assert encoded.untimed
