import contextvars
import logging
import re
from collections.abc import Iterator

import pytest

from snakepit_nb.errors import UsageError
from snakepit_nb.telemetry.correlation import (
    RequestCorrelation,
    checked_correlation_id,
    correlation,
    current_correlation_id,
    new_correlation_id,
)
from snakepit_nb.telemetry.logs import label_log_records


def test_a_new_id_is_sp_and_24_hexadecimal_digits() -> None:
    ids = {new_correlation_id() for _ in range(100)}

    assert len(ids) == 100
    assert all(re.fullmatch("sp-[0-9a-f]{24}", each) for each in ids)


def test_code_within_the_with_runs_under_its_id_and_code_behind_it_does_not() -> None:
    with correlation("outer"):
        with correlation() as inner:
            assert current_correlation_id() == inner
        assert current_correlation_id() == "outer"

    assert current_correlation_id() is None


@pytest.mark.parametrize("text", ["", "x" * 129, "a\nb", "ümlaut"])
def test_what_cannot_travel_in_a_header_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="1 to 128 printable ASCII characters"):
        checked_correlation_id(text)
    with pytest.raises(UsageError), correlation(text):
        raise NotImplementedError


def test_calls_of_one_request_share_an_id_and_the_next_has_another() -> None:
    requests = RequestCorrelation()
    requests.request_key = lambda: "first"
    first, again = requests.choose(), requests.choose()
    requests.request_key = lambda: "second"

    assert first == again != requests.choose()


def test_without_a_request_each_call_has_its_own_id() -> None:
    requests = RequestCorrelation()

    assert requests.choose() != requests.choose()


def test_the_surrounding_id_wins() -> None:
    requests = RequestCorrelation()
    requests.request_key = lambda: "first"

    with correlation("by-hand"):
        assert requests.choose() == "by-hand"


def test_only_so_many_requests_are_remembered() -> None:
    requests = RequestCorrelation(remembered=2)
    chosen = []
    for key in ("first", "second", "third", "second", "first"):
        requests.request_key = lambda key=key: key  # type: ignore[misc]
        chosen.append(requests.choose())

    assert chosen[1] == chosen[3]
    assert chosen[0] != chosen[4]


@pytest.fixture
def labelled() -> Iterator[None]:
    before = logging.getLogRecordFactory()
    label_log_records()
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.usefixtures("labelled")
def test_each_log_record_carries_the_id_of_its_call(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("of.a.user")
    with correlation("sp-mine"):
        log.warning("within")
    log.warning("behind")

    assert [vars(record)["correlation_id"] for record in caplog.records] == ["sp-mine", ""]


def test_the_id_is_one_of_its_context_only() -> None:
    with correlation("sp-mine"):
        elsewhere = contextvars.Context()
        assert elsewhere.run(current_correlation_id) is None
