"""What workers tell and what controls that, to and from the seed's telemetry messages."""

from dataclasses import replace

from snakepit_nb.observations import EventControl, ToldEvent

from .generated import snakepit_bridge_pb2 as bridge
from .observation_messages import valid_text

LONGEST_INT = 2**63


def write_told(event: ToldEvent) -> bridge.TelemetryEvent:
    """Writes an event."""
    message = bridge.TelemetryEvent(
        event_parts=event.name.split("."),
        metadata={name: valid_text(value) for name, value in event.metadata.items()},
        timestamp_ns=event.at,
        correlation_id=event.correlation_id,
    )
    for name, value in event.measurements.items():
        if isinstance(value, int) and -LONGEST_INT <= value < LONGEST_INT:
            message.measurements[name].int_value = value
        else:
            message.measurements[name].float_value = value
    return message


def read_told(message: bridge.TelemetryEvent) -> ToldEvent:
    """Reads an event. A measurement that is a text is metadata to us; none is left out."""
    measurements: dict[str, float] = {}
    metadata = dict(message.metadata)
    for name, value in message.measurements.items():
        match value.WhichOneof("value"):
            case "int_value":
                measurements[name] = value.int_value
            case "float_value":
                measurements[name] = value.float_value
            case _:
                metadata[name] = value.string_value
    return ToldEvent(
        name=".".join(message.event_parts),
        at=message.timestamp_ns,
        measurements=measurements,
        metadata=metadata,
        correlation_id=message.correlation_id,
    )


def write_controls(control: EventControl) -> tuple[bridge.TelemetryControl, ...]:
    """Writes a control, which takes several messages."""
    return (
        bridge.TelemetryControl(
            sampling=bridge.TelemetrySamplingUpdate(
                sampling_rate=control.sampling, event_patterns=control.sampled
            )
        ),
        bridge.TelemetryControl(
            filter=bridge.TelemetryEventFilter(allow=control.allow, deny=control.deny)
        ),
        # Last, so that nothing is told before the rest holds.
        bridge.TelemetryControl(toggle=bridge.TelemetryToggle(enabled=control.enabled)),
    )


def read_control(message: bridge.TelemetryControl, before: EventControl) -> EventControl:
    """Returns the control as a message changes it; one that says nothing changes nothing."""
    match message.WhichOneof("control"):
        case "toggle":
            return replace(before, enabled=message.toggle.enabled)
        case "sampling":
            rate = message.sampling.sampling_rate
            return replace(
                before,
                sampling=min(rate, 1.0) if rate > 0 else 0.0,  # also where it is no number
                sampled=tuple(message.sampling.event_patterns),
            )
        case "filter":
            return replace(
                before, allow=tuple(message.filter.allow), deny=tuple(message.filter.deny)
            )
        case _:
            return before
