"""Which part of a value keeps it from being pickled."""

import threading
from types import SimpleNamespace

import cloudpickle
import pytest

from snakepit_nb.wire.culprits import why_not_pickled


class Slotted:
    __slots__ = ("lock",)

    def __init__(self, lock: object) -> None:
        self.lock = lock

    def method(self) -> None:
        raise NotImplementedError


LOCK = threading.Lock()
MODEL = SimpleNamespace(layers=[1, {"a": LOCK}], name="m")


def uses_its_surroundings() -> object:
    lock = threading.Lock()
    return lambda: lock


def looped() -> list[object]:
    loop: list[object] = [1]
    loop.append(loop)
    loop.append(threading.Lock())
    return loop


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (SimpleNamespace(model=MODEL), "config.model.layers[1]['a']"),
        (SimpleNamespace(model=SimpleNamespace(lock=LOCK)), "config.model.lock"),
        ({"deep": (1, [LOCK])}, "config['deep'][1][0]"),
        ({LOCK}, "an element of config"),
        (Slotted(LOCK), "config.lock"),
        (Slotted(LOCK).method, "config.__self__.lock"),
        (uses_its_surroundings(), "lock (which config uses)"),
        (looped(), "config[2]"),
    ],
)
def test_the_part_that_is_in_the_way_is_named(value: object, path: str) -> None:
    with pytest.raises(TypeError) as caught:
        cloudpickle.dumps(value)

    assert why_not_pickled("config", value, caught.value) == (
        f"{path} is a `_thread.lock`, which cannot be pickled ({caught.value})"
    )


def test_a_value_that_is_in_the_way_itself_needs_no_path() -> None:
    error = TypeError("cannot pickle '_thread.lock' object")
    assert why_not_pickled("lock", LOCK, error) == str(error)
