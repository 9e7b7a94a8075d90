"""Sends spans on: to the user's TracerProvider, else to the collector that `OTEL_*` names."""

import atexit
import logging
import os
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from importlib import import_module
from queue import SimpleQueue
from typing import Any

from opentelemetry.trace import TracerProvider

from snakepit_nb.observations import SpanRecord

from .call_trace import Traced
from .providers import providers

Environment = tuple[tuple[str, str], ...]

log = logging.getLogger(__name__)

MOST_QUEUED = 10_000
FLUSH_SECONDS = 2.0
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
        self._has_failed = False
        self._queue: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._thread: threading.Thread | None = None  # of who exports only

    def begin(self) -> None:
        """Opens the way that the environment names; once, and again only does nothing."""
        if self._has_begun:
            return
        self._has_begun = True
        if names_collector(os.environ) and providers.users is None:
            self._own = _new_processor()

    def end(self) -> None:
        """Sends what is still to be sent."""
        self.flush()
        if self._own is not None:
            self._own.shutdown()

    def send(self, traced: Traced, environment: Environment = ()) -> None:
        """Sends spans, of a worker with what it was given beside the kernel's environment.

        On a thread of its own: a call does not wait for a user's processor or sampler, nor fail by
        it. What exceeds the queue is not sent.
        """
        if self._own is None and providers.users is None:
            return
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="snakepit spans", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return  # the interpreter ends, and takes no thread any more
            self._thread = thread
        if self._queue.qsize() < MOST_QUEUED:
            self._queue.put(partial(self._send, traced, environment))

    def flush(self) -> None:
        """Waits a little until all that was sent before has been taken."""
        if self._thread is not None:
            taken = threading.Event()
            self._queue.put(taken.set)
            taken.wait(FLUSH_SECONDS)

    def _run(self) -> None:
        while True:
            work = self._queue.get()
            try:
                work()
            except Exception:
                if not self._has_failed:
                    log.exception("spans cannot be sent; later failures are not told")
                self._has_failed = True

    def _send(self, traced: Traced, environment: Environment) -> None:
        provider = providers.users
        if provider is not None:
            self._send_by(provider, traced, environment)
        elif self._own is not None:
            for record in traced.records():
                self._own.on_end(_readable(record, environment))

    def _send_by(self, provider: TracerProvider, traced: Traced, environment: Environment) -> None:
        from .sdk import is_sampled, readable_span  # noqa: PLC0415 (who has a provider has the SDK)

        # The SDK has no public way to hand its processors a span that was made elsewhere.
        processor = getattr(provider, "_active_span_processor", None)
        if processor is None:
            return
        for record in traced.records():
            if is_sampled(provider, record.trace_id, record.name):
                resource = _resource(record.worker_id, environment)
                own = getattr(provider, "resource", resource)
                processor.on_end(readable_span(record, resource if record.worker_id else own))


exporting = Exporting()

# What is registered later runs earlier: pools that are stopped at exit send their last spans.
atexit.register(exporting.end)


def names_collector(environment: Mapping[str, str]) -> bool:
    """Tells whether OpenTelemetry's variables ask for spans to be sent."""
    return (
        any(environment.get(name) for name in ENDPOINTS)
        and environment.get("OTEL_TRACES_EXPORTER", "otlp") == "otlp"
        and environment.get("OTEL_SDK_DISABLED", "").lower() != "true"
    )


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

    return BatchSpanProcessor(exporter.OTLPSpanExporter())


def _readable(record: SpanRecord, environment: Environment) -> Any:  # noqa: ANN401
    from .sdk import readable_span  # noqa: PLC0415 (see above)

    return readable_span(record, _resource(record.worker_id, environment))


@lru_cache(maxsize=256)
def _resource(worker_id: str, environment: Environment) -> Any:  # noqa: ANN401
    from .sdk import resource_of  # noqa: PLC0415 (see above)

    place = {"service.instance.id": worker_id} if worker_id else {}
    return resource_of({**os.environ, **dict(environment)}, **place)
