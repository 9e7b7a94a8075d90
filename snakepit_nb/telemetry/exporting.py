"""Sends spans on: to the user's TracerProvider, else to the collector that `OTEL_*` names."""

import atexit
import logging
import os
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any

from opentelemetry import trace

from snakepit_nb.observations import SpanRecord

log = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
EXPORTERS = {
    "grpc": "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http.trace_exporter",
}


class Exporting:
    """The way out for the spans of this kernel and of its workers."""

    def __init__(self) -> None:
        self._own: Any = None  # a processor of the SDK's, which only who exports loads
        self._has_begun = False

    def begin(self) -> None:
        """Opens the way that the environment names; once, and again only does nothing."""
        if self._has_begun:
            return
        self._has_begun = True
        if names_collector(os.environ) and _is_proxy(trace.get_tracer_provider()):
            self._own = _new_processor()

    def send_own(self, record: SpanRecord) -> None:
        """Sends a span of the kernel, which a user's provider has had already."""
        if self._own is not None and _is_proxy(trace.get_tracer_provider()):
            self._own.on_end(_readable(record, ()))

    def send_worker(self, record: SpanRecord, environment: tuple[tuple[str, str], ...]) -> None:
        """Sends a span of a worker that was given this environment beside the kernel's."""
        provider = trace.get_tracer_provider()
        # The SDK has no public way to hand its processors a span that was made elsewhere.
        theirs = None if _is_proxy(provider) else getattr(provider, "_active_span_processor", None)
        if theirs is not None:
            theirs.on_end(_readable(record, environment))
        elif self._own is not None:
            self._own.on_end(_readable(record, environment))


exporting = Exporting()


def names_collector(environment: Mapping[str, str]) -> bool:
    """Tells whether OpenTelemetry's variables ask for spans to be sent."""
    return (
        any(environment.get(name) for name in ENDPOINTS)
        and environment.get("OTEL_TRACES_EXPORTER", "otlp") == "otlp"
        and environment.get("OTEL_SDK_DISABLED", "").lower() != "true"
    )


def _is_proxy(provider: trace.TracerProvider) -> bool:
    return isinstance(provider, trace.ProxyTracerProvider)


def _new_processor() -> Any:  # noqa: ANN401 (the SDK is not loaded for a type)
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    try:
        exporter = import_module(EXPORTERS[protocol])
    except (ImportError, KeyError):
        log.warning(
            "No spans are sent, for OTEL_EXPORTER_OTLP_PROTOCOL %s has no exporter here: "
            "pip install 'snakepit-nb[otlp]' brings the one for grpc.",
            protocol,
        )
        return None
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 (see above)

    processor = BatchSpanProcessor(exporter.OTLPSpanExporter())
    atexit.register(processor.shutdown)
    return processor


def _readable(record: SpanRecord, environment: tuple[tuple[str, str], ...]) -> Any:  # noqa: ANN401
    from .sdk import readable_span  # noqa: PLC0415 (see above)

    return readable_span(record, _resource(record.worker_id, environment))


@lru_cache(maxsize=256)
def _resource(worker_id: str, environment: tuple[tuple[str, str], ...]) -> Any:  # noqa: ANN401
    from .sdk import resource_of  # noqa: PLC0415 (see above)

    place = {"service.instance.id": worker_id} if worker_id else {}
    return resource_of({**os.environ, **dict(environment)}, **place)
