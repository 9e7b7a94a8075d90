"""Workers' events and their control, in the seed's messages."""

from math import inf, nan

import pytest

from snakepit_nb.observations import EventControl, ToldEvent
from snakepit_nb.wire.event_messages import read_control, read_told, write_controls, write_told
from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge


def test_an_event_comes_back_as_it_was() -> None:
    event = ToldEvent(
        name="tool.execution.stop",
        at=1_800_000_000_123_456_789,
        measurements={"whole": 3, "part": 0.5},
        metadata={"tool": "süß"},
        correlation_id="sp-1",
    )

    message = write_told(event)

    assert list(message.event_parts) == ["tool", "execution", "stop"]
    assert message.measurements["whole"].WhichOneof("value") == "int_value"
    assert read_told(message) == event


def test_a_number_that_is_too_large_travels_as_a_float() -> None:
    event = ToldEvent(name="x", at=0, measurements={"huge": 2**70})

    assert read_told(write_told(event)).measurements == {"huge": 2.0**70}


def test_a_measurement_that_is_a_text_is_metadata() -> None:
    message = bridge.TelemetryEvent(event_parts=["x"])
    message.measurements["unheard_of"].string_value = "text"

    told = read_told(message)

    assert (told.measurements, told.metadata) == ({}, {"unheard_of": "text"})


def test_a_control_comes_back_as_it_was() -> None:
    control = EventControl(
        enabled=False, sampling=0.5, sampled=("a.*",), allow=("b",), deny=("c", "d")
    )

    assert received(*write_controls(control)) == control
    assert received(*write_controls(EventControl())) == EventControl()


@pytest.mark.parametrize(("rate", "taken"), [(-1.0, 0.0), (7.0, 1.0), (inf, 1.0), (nan, 0.0)])
def test_a_rate_is_clamped(rate: float, taken: float) -> None:
    message = bridge.TelemetryControl(sampling=bridge.TelemetrySamplingUpdate(sampling_rate=rate))

    assert received(message).sampling == taken


def test_a_control_that_says_nothing_changes_nothing() -> None:
    control = EventControl(deny=("x",))

    assert read_control(bridge.TelemetryControl(), control) == control


def received(*messages: bridge.TelemetryControl) -> EventControl:
    control = EventControl(deny=("overwritten",))
    for message in messages:
        control = read_control(message, control)
    if not any(message.HasField("filter") for message in messages):
        control = EventControl(sampling=control.sampling)
    return control
