"""A collector of OpenTelemetry's: a gRPC server that takes spans over OTLP and keeps them."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as service


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """One span that came, and whose it is."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    resource: dict[str, str]
    attributes: dict[str, str]


class Collector(service.TraceServiceServicer):
    """What came, from any thread."""

    def __init__(self) -> None:
        self.spans: list[Collected] = []
        self.address = ""
        self._lock = threading.Lock()

    def Export(self, request: Any, _: object) -> Any:  # noqa: N802, ANN401 (gRPC's)
        with self._lock:
            for of_resource in request.resource_spans:
                resource = _read(of_resource.resource.attributes)
                for of_scope in of_resource.scope_spans:
                    self.spans += [
                        Collected(
                            trace_id=span.trace_id.hex(),
                            span_id=span.span_id.hex(),
                            parent_id=span.parent_span_id.hex(),
                            name=span.name,
                            resource=resource,
                            attributes=_read(span.attributes),
                        )
                        for span in of_scope.spans
                    ]
        return messages.ExportTraceServiceResponse()


@contextmanager
def open_collector() -> Iterator[Collector]:
    """Serves on a port of its own, without encryption."""
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(4))
    service.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    collector.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()


def _read(attributes: Any) -> dict[str, str]:  # noqa: ANN401 (generated)
    return {each.key: each.value.string_value for each in attributes}
