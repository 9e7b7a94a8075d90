from opentelemetry.trace import StatusCode

from snakepit_nb.observations import SpanEvent, SpanRecord
from snakepit_nb.telemetry.sdk import readable_span, record_of, resource_of

SPAN = SpanRecord(
    trace_id=0xABC,
    span_id=7,
    parent_id=5,
    name="tool",
    kind="server",
    begun=10,
    ended=20,
    attributes={"text": "t", "yes": True, "number": 1.5},
    events=(SpanEvent(name="exception", at=15, attributes={"exception.type": "ValueError"}),),
    links=((1, 2),),
    is_error=True,
    error="ValueError: bad",
)


def test_a_span_is_read_as_it_was_written() -> None:
    assert record_of(readable_span(SPAN, resource_of({}))) == SPAN


def test_a_root_that_went_well_has_no_parent_and_no_status() -> None:
    root = SpanRecord(trace_id=1, span_id=2, name="root", begun=1, ended=2)

    written = readable_span(root, resource_of({}))

    assert written.parent is None
    assert written.status.status_code is StatusCode.UNSET
    assert record_of(written) == root


def test_a_resource_is_what_the_standard_variables_tell() -> None:
    environment = {
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=other, team = a%20b,nonsense,key=a=b",
        "OTEL_SERVICE_NAME": "mine",
    }

    told = resource_of(environment, **{"service.instance.id": "w0"}).attributes

    assert (told["service.name"], told["service.instance.id"]) == ("mine", "w0")
    assert (told["team"], told["key"]) == ("a b", "a=b")
    assert resource_of({"OTEL_RESOURCE_ATTRIBUTES": "service.name=other"}).attributes[
        "service.name"
    ] == ("other")
    assert resource_of({}).attributes["service.name"] == "snakepit_nb"
