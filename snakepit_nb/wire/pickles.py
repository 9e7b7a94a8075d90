"""Pickles from the kernel to its workers, with large buffers beside them."""

import pickle
from typing import Any

import cloudpickle

from .frames import LARGE, Buffer
from .packed import Pickled, new_memory

_PROTOCOL = 5


def pickled(value: object) -> bytes | Pickled:
    """Pickles a value as it is now: what becomes of its arrays later does not matter.

    Raises: whatever the value's classes raise.
    """
    apart: list[Buffer] = []

    def stays_inside(buffer: pickle.PickleBuffer) -> bool:
        try:
            view = buffer.raw()
        except BufferError:  # it has holes
            return True
        if view.nbytes <= LARGE:
            return True
        memory = new_memory(view.nbytes)
        memory[:] = view
        apart.append(memory.toreadonly() if view.readonly else memory)
        return False

    data: bytes = cloudpickle.dumps(value, protocol=_PROTOCOL, buffer_callback=stays_inside)
    return Pickled(data, tuple(apart)) if apart or len(data) > LARGE else data


def parts_of(value: object) -> tuple[bytes, tuple[Buffer, ...]]:
    """Gives the pickle of what `pickled` made, and the buffers to unpickle it with.

    Raises:
        TypeError: that did not make it.
    """
    match value:
        case bytes():
            return value, ()
        case Pickled():
            return value.data, value.buffers
        case _:
            raise TypeError(f"A pickle is expected, not a {type(value).__name__}.")


def unpickled(value: bytes | Pickled) -> Any:
    """Makes the value again, which may run code."""
    data, buffers = parts_of(value)
    return cloudpickle.loads(data, buffers=buffers)
