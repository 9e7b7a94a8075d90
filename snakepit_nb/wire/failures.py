"""Exceptions to what travels, and back: the only place that translates errors.

A failure travels as the JSON object of the seed's protocol (`type`, `message`, `stacktrace`,
`traceback`, `context`), to which ours adds `fault`: "user" where the call itself was wrong.
"""

import builtins
import json
import traceback
from collections.abc import Mapping
from functools import cache
from types import TracebackType
from typing import Any, TypeVar

import grpc

from snakepit_nb.calls import CellError
from snakepit_nb.errors import (
    CellFailedError,
    SnakepitError,
    ToolError,
    UnsendableResultError,
    UsageError,
    ValueEncodingError,
    WorkerCrashedError,
    WorkerError,
)
from snakepit_nb.identifiers import CorrelationId

from .problems import recognise

# Python and IPython treat these in ways of their own when they are raised.
_NOT_TO_BE_MIXED_IN = (StopIteration, StopAsyncIteration, SyntaxError, BaseExceptionGroup, Warning)
LONGEST_TRACEBACK = 64 * 1024
CUT_WHILE_WRITTEN_TO = "Internal error from Core"
"""What grpc.aio says, with INTERNAL, of a stream that was written to while its peer went."""

Failure = TypeVar("Failure", bound=ToolError)


def encode_failure(error: BaseException, *, tool_name: str, hide_file: str = "") -> str:
    """Writes an exception that ended a call, without the frames up to the last of `hide_file`."""
    frames = _user_frames(error.__traceback__, hide_file)
    lines = traceback.format_exception(type(error), error, frames)
    return json.dumps(
        {
            "type": _type_name(error),
            "message": error.message if isinstance(error, SnakepitError) else _words(error),
            "stacktrace": [line.rstrip("\n") for line in traceback.format_tb(frames)],
            "traceback": (_before(error) + "".join(lines))[-LONGEST_TRACEBACK:],
            "context": {"tool_name": tool_name},
            "fault": "user" if isinstance(error, UsageError) else "tool",
        }
    )


def decode_failure(text: str, *, correlation_id: CorrelationId | None) -> SnakepitError:
    """Makes the exception that the caller shall see, of its own builtin type where it has one."""
    try:
        fields = json.loads(text)
    except ValueError:
        fields = None
    if not isinstance(fields, Mapping):
        return ToolError(text or "The tool failed.", correlation_id=correlation_id)
    message = str(fields.get("message", ""))
    name = str(fields.get("type", "Exception"))
    if fields.get("fault") == "user":
        return UsageError(message, correlation_id=correlation_id)
    if name == UnsendableResultError.__name__:
        return UnsendableResultError(message, correlation_id=correlation_id)
    raised = remote_error_type(name)(
        message,
        remote_type=name,
        remote_traceback=str(fields.get("traceback", "")),
        correlation_id=correlation_id,
        details=_details(fields, name, message),
    )
    _add_notes(raised)
    return raised


def _details(fields: Mapping[str, Any], name: str, message: str) -> dict[str, object]:
    """Gathers what the other end tells of the call, and what its message is known to mean."""
    context = fields.get("context")
    told = dict(context) if isinstance(context, Mapping) else {}
    problem = recognise(f"{name}: {message}")
    if problem is not None:
        told |= {"problem": str(problem.kind), "hint": problem.hint, **problem.details}
    return told


def _add_notes(error: ToolError) -> None:
    """Lets Python itself show, below an error that nobody caught, where it came from."""
    if error.remote_traceback:
        error.add_note(f"\nIn the worker:\n{error.remote_traceback.rstrip()}")
    if "hint" in error.details:
        error.add_note(f"Hint: {error.details['hint']}")


def cell_failure(error: CellError) -> CellFailedError:
    """Makes the exception for an error that ended a cell, of the same name as in the worker."""
    # What a host tool raised has the name of its class here.
    failure = _mixed(error.name, CellFailedError, error.name.removeprefix("Remote"))
    return failure(error.value, traceback=error.traceback)


def decode_status(
    status: grpc.StatusCode, details: str, *, correlation_id: CorrelationId | None = None
) -> SnakepitError:
    """Makes the exception for a gRPC call that did not end well."""
    if status is grpc.StatusCode.INTERNAL and details.startswith("{"):
        return decode_failure(details, correlation_id=correlation_id)
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return ValueEncodingError(
            "The message is larger than the pool's message_bytes, and there was no room for it "
            f"in shared memory: {details}",
            correlation_id=correlation_id,
        )
    if status is grpc.StatusCode.UNAVAILABLE or details == CUT_WHILE_WRITTEN_TO:
        return WorkerCrashedError("The worker is gone.", correlation_id=correlation_id)
    return WorkerError(
        f"The worker answered {status.name}: {details}",
        correlation_id=correlation_id,
        details={"status": status.name},
    )


@cache
def remote_error_type(name: str) -> type[ToolError]:
    """Returns the class for a remote exception: `RemoteValueError(ToolError, ValueError)`."""
    mixed = _mixed(f"Remote{name}", ToolError, name)
    return mixed if len(mixed.__bases__) > 1 else ToolError


def _mixed(name: str, base: type[Failure], builtin_name: str) -> type[Failure]:
    """Makes a subclass that is of the builtin exception's type too, where that can be."""
    builtin: Any = getattr(builtins, builtin_name, None)
    bases = (base, builtin) if _takes_a_message(builtin) else (base,)
    return type(name, bases, {"__module__": base.__module__})


def _takes_a_message(found: object) -> bool:
    """Tells whether it is an exception that can be raised anywhere with one text."""
    if not isinstance(found, type) or not issubclass(found, Exception):
        return False
    if issubclass(found, _NOT_TO_BE_MIXED_IN):
        return False
    try:
        found("")
    except TypeError:
        return False
    return True


def _words(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 (user code)
        return "<exception str() failed>"  # as the traceback has it


def _before(error: BaseException) -> str:
    """Tells where an error was raised that has come from the other end, and is sent back."""
    if not isinstance(error, ToolError) or not error.remote_traceback:
        return ""
    return f"{error.remote_traceback.rstrip()}\n\nIt came to where it was asked for:\n\n"


def _type_name(error: BaseException) -> str:
    cls = type(error)
    if isinstance(error, ToolError) and not isinstance(error, CellFailedError):
        return error.remote_type
    if cls.__module__ in ("builtins", "__main__") or isinstance(error, SnakepitError):
        return cls.__qualname__
    return f"{cls.__module__}.{cls.__qualname__}"


def _user_frames(frames: TracebackType | None, hide_file: str) -> TracebackType | None:
    """Cuts off the frames that lead to the user's code."""
    shown, frame = frames, frames
    while frame is not None:
        if hide_file and frame.tb_frame.f_code.co_filename == hide_file:
            shown = frame.tb_next
        frame = frame.tb_next
    return shown if shown is not None else frames
