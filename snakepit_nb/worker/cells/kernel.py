"""What user code finds as `get_ipython().kernel` in a worker."""

from collections.abc import Callable, Mapping
from typing import Any

from ipykernel.kernelbase import Kernel
from IPython.core.error import StdinNotImplementedError

from snakepit_nb.calls import InputReply

Ask = Callable[[str, bool], InputReply]

_RAISED_AT_THE_PROMPT: Mapping[str, type[BaseException]] = {
    error.__name__: error for error in (EOFError, KeyboardInterrupt, StdinNotImplementedError)
}


class WorkerKernel:
    """What code may ask a shell's kernel for."""

    __module__ = "ipykernel.ipkernel"  # tracebacks that show values tell this name
    __qualname__ = "IPythonKernel"

    eventloop = None

    # ipykernel's own: what it refuses and warns of is worded and traced as in the notebook.
    raw_input = Kernel.raw_input
    getpass = Kernel.getpass
    _shell_parent_ident = None
    _parent_ident: Mapping[str, None] = {"shell": None}

    def __init__(self, get_parent: Callable[[], object]) -> None:
        self._get_parent = get_parent
        self._allow_stdin = False
        self._ask: Ask | None = None

    def let_ask(self, ask: Ask, *, is_allowed: bool) -> None:
        """Lets the cell that begins ask by this function, if anybody is there to answer."""
        self._allow_stdin = is_allowed
        self._ask = ask

    def get_parent(self, _channel: str | None = None) -> object:
        """Returns the message of the front end that the running code answers to."""
        return self._get_parent()

    def _get_shell_context_var(self, _: object) -> None:
        """Returns whom ipykernel would ask."""

    def _input_request(
        self,
        prompt: str,
        _ident: object,
        _parent: object,
        password: bool = False,  # noqa: FBT001, FBT002 (ipykernel's)
    ) -> str:
        """Asks in the notebook."""
        if self._ask is None:
            raise EOFError("EOF when reading a line")
        reply = self._ask(str(prompt), password)
        if reply.error_name:
            raise _RAISED_AT_THE_PROMPT.get(reply.error_name, RuntimeError)(reply.error_value)
        return reply.text


def use_our_debugger() -> None:
    """Makes pdb IPython's, as ipykernel does: it asks by `input`."""
    import pdb  # noqa: PLC0415, T100 (few cells debug)

    from IPython.core import debugger  # noqa: PLC0415

    patched: Any = debugger
    if hasattr(patched, "InterruptiblePdb"):
        patched.Pdb = patched.InterruptiblePdb
    pdb.Pdb = patched.Pdb  # type: ignore[misc]
    pdb.set_trace = patched.set_trace
