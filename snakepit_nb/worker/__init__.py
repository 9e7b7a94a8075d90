"""All that runs in a worker process; the names below are for its users."""

from .adapter import Adapter as Adapter
from .context import CallContext as CallContext
from .context import current_call as current_call
from .emitting import emit_event as emit_event
from .host_proxy import host as host
from .tools import tool as tool

__all__ = ["Adapter", "CallContext", "current_call", "emit_event", "host", "tool"]
