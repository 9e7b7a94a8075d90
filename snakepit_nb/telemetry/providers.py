"""The user's TracerProvider, whose own spans within our traces are kept with ours."""

from collections import OrderedDict
from collections.abc import Callable

from opentelemetry import trace

from snakepit_nb.observations import SpanRecord

REMEMBERED_TRACES = 1000


class Providers:
    """Looks whether there is one; users configure it whenever they like."""

    def __init__(self) -> None:
        self._seen: trace.TracerProvider | None = None
        self._traces: OrderedDict[int, None] = OrderedDict()
        self.sink: Callable[[SpanRecord], object] = lambda _: None
        """Gets the user's spans that have ended, from any thread."""

    @property
    def users(self) -> trace.TracerProvider | None:
        """The user's, if there is one."""
        provider = trace.get_tracer_provider()
        return None if isinstance(provider, trace.ProxyTracerProvider) else provider

    def look(self, trace_id: int) -> None:
        """Lets the user's spans of a trace be kept, from now on."""
        provider = self.users
        if provider is None:
            return
        self._traces[trace_id] = None
        if len(self._traces) > REMEMBERED_TRACES:
            self._traces.popitem(last=False)
        if provider is not self._seen:
            from .sdk import tell_ends  # noqa: PLC0415 (brings the SDK, which is loaded then)

            self._seen = provider
            tell_ends(provider, self._keep)

    def _keep(self, record: SpanRecord) -> None:
        if record.trace_id in self._traces:
            self.sink(record)


providers = Providers()
