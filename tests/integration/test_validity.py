"""The validity table through PostgreSQL: what COPY, jsonb and columns make of the corpus that the codec passed.

Case after case goes in, a batch of them in one transaction, and all is read back at once. `HOSTILE_CASES=all` takes all cases,
without it every `STEP`-th of them, always the same ones.
"""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from llm_observatory.errors import InvalidPayload
from tests.plugins.corpus import ALL, CORPUS, sample
from tests.plugins.good_requests import NUMBERS
from tests.plugins.normal_form import envelopes_in, predict
from tests.plugins.otlp_messages import NOW
from tests.plugins.round_trip import WHOLE
from tests.plugins.storage import WRITERS, Storage, write_request
from tests.unit.codec.spans import TERMS

STEP = 11
BATCH = 100

pytestmark = pytest.mark.timeout(0 if ALL else 120)


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_every_case_comes_back_from_the_database(signal: str, storage: Storage) -> None:
    cases = sample((case for case in CORPUS if case.signal == signal), STEP)
    firsts, writers = itertools.count(0, NUMBERS), itertools.cycle(sorted(WRITERS))
    for start in range(0, len(cases), BATCH):
        tenant, expected, group = f"tenant {start}", Counter[str](), []
        for case in cases[start : start + BATCH]:
            first = next(firsts)
            foretold = case.expected(NOW, TERMS, first)
            if foretold is None:
                with pytest.raises(InvalidPayload):
                    write_request(signal, tenant, case.payload(first), TERMS)
                continue
            request, made = write_request(signal, tenant, case.payload(first), TERMS)
            assert dict(made.rejected_by_rule) == foretold.rejected, str(case)
            expected += foretold.records
            group.append(request)
        storage.write(next(writers), group)
        assert records_in(storage, signal, tenant) == expected


def records_in(storage: Storage, signal: str, tenant: str) -> Counter[str]:
    """All records of a tenant, which are as good as they came."""
    again = predict(envelopes_in(signal, storage.reader.decoded(signal, tenant)), NOW, WHOLE)
    assert not again.rejected
    assert not again.repaired
    return again.records
