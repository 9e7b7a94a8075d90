"""All that runs in a worker process; `Adapter`, `tool` and `current_call` are for its users."""

from .adapter import Adapter as Adapter
from .context import CallContext as CallContext
from .context import current_call as current_call
from .tools import tool as tool

__all__ = ["Adapter", "CallContext", "current_call", "tool"]
