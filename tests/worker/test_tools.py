from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal, Optional, Protocol, TypedDict

import pytest

from snakepit_nb.errors import UsageError
from snakepit_nb.worker import tool
from snakepit_nb.worker.tools import BoundTool, bind_tools


class Point(TypedDict):
    x: int


class HasName(Protocol):
    name: str


class Tools:
    @tool
    def annotated(
        self,
        number: int,
        text: str = "x",
        ratio: float | None = None,
        mode: Literal["fast", 1] = "fast",
        anything: Any = (),  # noqa: ANN401 (that is what it is about)
        names: list[str] | dict[str, int] | None = None,
    ) -> str:
        """Does a thing.

        And more.
        """
        raise NotImplementedError

    @tool
    def old_style(self, ratio: Optional[float]) -> None:  # noqa: UP045
        raise NotImplementedError

    @tool
    def without_annotations(self, a, b=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        raise NotImplementedError

    @tool
    def open_ended(self, first: int, **rest: object) -> None:
        raise NotImplementedError

    @tool
    def unchecked(self, point: Point, named: HasName) -> None:
        raise NotImplementedError

    @tool
    def wide(self, ratio: float, wave: complex, flag: bool, thing: object) -> None:  # noqa: FBT001
        raise NotImplementedError

    @tool(name="other.name", description="Said here.")
    def renamed(self) -> None:
        """Said there."""

    @tool
    def generator(self) -> Iterator[int]:
        yield 1

    @tool
    async def async_generator(self) -> AsyncIterator[int]:
        yield 1

    def no_tool(self) -> None:
        raise NotImplementedError


class Derived(Tools):
    @tool
    def generator(self) -> Iterator[int]:
        """Overridden."""
        yield 2


BOUND = bind_tools(Tools())


def test_a_tool_is_told_by_its_annotations_and_docstring() -> None:
    spec = BOUND["annotated"].spec

    assert spec.description == "Does a thing.\n\nAnd more."
    assert [(p.name, p.type_name, p.required, p.default) for p in spec.parameters] == [
        ("number", "int", True, None),
        ("text", "str", False, "x"),
        ("ratio", "float | None", False, None),
        ("mode", "Literal['fast', 1]", False, "fast"),
        ("anything", "any", False, ()),
        ("names", "list[str] | dict[str, int] | None", False, None),
    ]


def test_only_marked_methods_are_tools_and_names_can_be_chosen() -> None:
    assert "no_tool" not in BOUND
    assert "renamed" not in BOUND
    assert BOUND["other.name"].spec.description == "Said here."


def test_generators_stream() -> None:
    streaming = {name for name, bound in BOUND.items() if bound.spec.supports_streaming}

    assert streaming == {"generator", "async_generator"}


def test_a_subclass_overrides_and_inherits() -> None:
    bound = bind_tools(Derived())

    assert bound.keys() == BOUND.keys()
    assert bound["generator"].spec.description == "Overridden."


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("annotated", {"number": 1}),
        ("annotated", {"number": 1, "ratio": 1, "mode": 1, "names": ["a"]}),
        ("annotated", {"number": 1, "ratio": None, "anything": object(), "names": {"a": 1}}),
        ("old_style", {"ratio": None}),
        ("old_style", {"ratio": 2.5}),
        ("without_annotations", {"a": object()}),
        ("open_ended", {"first": 1, "second": "two"}),
        ("unchecked", {"point": {"x": 1}, "named": 7}),
        ("wide", {"ratio": 1, "wave": 1.5, "flag": True, "thing": None}),
    ],
)
def test_arguments_that_fit_pass(name: str, arguments: dict[str, object]) -> None:
    BOUND[name].check(arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("annotated", {}, "tool 'annotated' needs the parameter 'number' (int)."),
        (
            "annotated",
            {"number": "1"},
            "tool 'annotated', parameter 'number': a value of type str is not int.",
        ),
        ("annotated", {"number": True}, "parameter 'number': a value of type bool is not int."),
        ("annotated", {"number": 1, "ratio": "1"}, "type str is not float | None."),
        ("annotated", {"number": 1, "mode": "slow"}, "type str is not Literal['fast', 1]."),
        ("annotated", {"number": 1, "mode": True}, "type bool is not Literal['fast', 1]."),
        ("annotated", {"number": 1, "txet": ""}, "has no parameter 'txet': did you mean 'text'?"),
        ("open_ended", {"second": 2}, "needs the parameter 'first' (int)."),
        ("wide", {"ratio": True, "wave": 1, "flag": True, "thing": 1}, "bool is not float."),
        ("wide", {"ratio": 1, "wave": 1, "flag": 1, "thing": 1}, "type int is not bool."),
    ],
)
def test_arguments_that_do_not_fit_are_named(
    name: str, arguments: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        BOUND[name].check(arguments)

    assert words in caught.value.message


def test_a_value_that_does_not_fit_is_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        BOUND["annotated"].check({"number": "my password"})

    assert "password" not in str(caught.value)


def test_a_bound_tool_runs_on_its_instance() -> None:
    bound: BoundTool = bind_tools(Derived())["generator"]

    assert list(bound.method()) == [2]
