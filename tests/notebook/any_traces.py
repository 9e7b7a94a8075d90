"""Any trees of spans: with missing parents, zero and negative lengths, clocks that disagree."""

from hypothesis import strategies as st

from snakepit_nb.observations import CORRELATION_ATTRIBUTE, PART_KEY, Part, SpanRecord

_NAMES = st.sampled_from(["queue", "call a", "call b", "<b>&'\"", "line\nbreak \x1b[31m", "日本語"])


@st.composite
def any_spans(draw: st.DrawFn) -> list[SpanRecord]:
    number = draw(st.integers(0, 20))
    return [draw(_any_span(span_id)) for span_id in range(1, number + 1)]


@st.composite
def _any_span(draw: st.DrawFn, span_id: int) -> SpanRecord:
    part = draw(st.sampled_from([*Part, None]))
    attributes = {} if part is None else {PART_KEY: part.value, CORRELATION_ATTRIBUTE: "sp-1"}
    return SpanRecord(
        trace_id=1,
        span_id=span_id,
        parent_id=draw(st.integers(0, span_id - 1) | st.just(10_000)),
        name=draw(_NAMES),
        begun=draw(st.integers(0, 1000)),
        ended=draw(st.integers(0, 1000)),
        attributes=attributes,
        is_error=draw(st.booleans()),
        error=draw(st.sampled_from(["", "ValueError: bad", "RemoteValueError: bad", "x" * 300])),
        worker_id=draw(st.sampled_from(["", "w0", "w1.2"])),
    )
