import pytest

from snakepit_nb.observations import LogEntry, Observation, SpanEvent, SpanRecord
from snakepit_nb.telemetry import home
from snakepit_nb.telemetry.log_ring import LogRing
from snakepit_nb.telemetry.redaction import HIDDEN, redaction
from snakepit_nb.telemetry.traces import Traces

SECRET = "hunter2-hunter2"  # noqa: S105 (to be hidden)


@pytest.fixture(autouse=True)
def _a_secret_is_known() -> None:
    redaction.hide(SECRET)


def test_what_a_worker_has_seen_is_kept_as_that_workers_without_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traces, logs = Traces(), LogRing()
    monkeypatch.setattr(home, "traces", traces)
    monkeypatch.setattr(home, "logs", logs)
    told: dict[str, str | int] = {"exception.message": f"no {SECRET}", "exception.lines": 3}
    span = SpanRecord(
        trace_id=1,
        span_id=2,
        name="tool",
        begun=1,
        ended=2,
        events=(SpanEvent(name="exception", at=1, attributes=told),),
        is_error=True,
        error=f"ValueError: no {SECRET}",
    )
    line = LogEntry(at=1, level=30, logger="l", message=f"with {SECRET}", traceback=SECRET)

    home.take_in(Observation(load=0, spans=(span,), logs=(line,), dropped=3), "pool/w0", ())

    found = traces.find()
    assert found is not None
    (kept,) = found.spans
    assert (kept.worker_id, kept.error) == ("pool/w0", f"ValueError: no {HIDDEN}")
    assert kept.events[0].attributes == {
        "exception.message": f"no {HIDDEN}",
        "exception.lines": 3,
    }
    (entry,) = logs.find(number=5)
    assert (entry.worker_id, entry.message, entry.traceback) == (
        "pool/w0",
        f"with {HIDDEN}",
        HIDDEN,
    )
    assert logs.dropped == 3


def test_a_secret_at_the_end_of_what_is_kept_is_not_told_by_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traces = Traces()
    monkeypatch.setattr(home, "traces", traces)
    for begin in range(170, 205):
        error = f"{'x' * begin}{SECRET}"
        span = SpanRecord(
            trace_id=begin, span_id=2, name="tool", begun=1, ended=2, is_error=True, error=error
        )
        home.keep_users_span(span)
        found = traces.find(f"{begin:032x}")
        assert found is not None
        assert "hunter" not in found.spans[0].error
        assert len(found.spans[0].error) <= home.SHOWN_ERROR


def test_a_users_span_tells_no_secret_by_its_name_and_attributes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traces = Traces()
    monkeypatch.setattr(home, "traces", traces)
    url = f"https://example.org/?token={SECRET}"
    span = SpanRecord(
        trace_id=1, span_id=2, name=f"GET {url}", begun=1, ended=2, attributes={"url": url}
    )
    home.keep_users_span(span)

    found = traces.find()
    assert found is not None
    assert SECRET not in str(found.spans[0])
