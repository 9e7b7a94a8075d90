from collections.abc import AsyncIterator, Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import anyio
import cloudpickle
import pytest

from snakepit_nb.errors import UsageError
from snakepit_nb.identifiers import CallId, CorrelationId
from snakepit_nb.settings import AdapterSource, Profile
from snakepit_nb.wire.function_calls import MAP, SUBMIT, read_mapped, read_outcome
from snakepit_nb.worker import Adapter, tool
from snakepit_nb.worker.context import CallContext, serving
from snakepit_nb.worker.tool_host import ToolHost, load_adapter

LOCAL: list[Callable[[int], None]] = []


def call_local(number: int) -> None:
    LOCAL[-1](number)


P = ParamSpec("P")
T = TypeVar("T")


def logged(method: Callable[P, T]) -> Callable[P, T]:
    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return method(*args, **kwargs)

    return call


class Tools(Adapter):
    def __init__(self) -> None:
        self.notes: list[str] = []

    @tool
    def plain(self, number: int) -> int:
        return number + 1

    @tool
    async def awaiting(self) -> str:
        await anyio.lowlevel.checkpoint()
        return "awaited"

    @tool
    def items(self) -> Iterator[int]:
        try:
            yield from range(3)
        finally:
            self.notes.append("items closed")

    @tool
    async def async_items(self) -> AsyncIterator[int]:
        try:
            for number in range(3):
                yield number
        finally:
            self.notes.append("async items closed")

    def close(self) -> None:
        self.notes.append("closed")


async def test_plain_and_awaiting_tools_return_their_values() -> None:
    host = ToolHost([Tools()])

    assert await host.call("plain", {"number": 1}) == 2
    assert await host.call("awaiting", {}) == "awaited"


@pytest.mark.parametrize("name", ["items", "async_items"])
async def test_what_streams_is_put_item_by_item(name: str) -> None:
    found: list[object] = []

    async def put_later(item: object) -> None:
        await anyio.lowlevel.checkpoint()
        found.append(item)

    host = ToolHost([Tools()])
    await host.stream(name, {}, found.append)
    await host.stream(name, {}, put_later)

    assert found == [0, 1, 2] * 2


@pytest.mark.parametrize(("name", "note"), [("items", "items"), ("async_items", "async items")])
async def test_a_generator_is_closed_when_its_items_cannot_be_put(name: str, note: str) -> None:
    adapter = Tools()

    def put(_: object) -> None:
        raise LookupError("no room")

    with pytest.raises(LookupError):
        await ToolHost([adapter]).stream(name, {}, put)

    assert adapter.notes == [f"{note} closed"]


async def test_a_tool_is_called_or_streamed_not_either_way() -> None:
    host = ToolHost([Tools()])

    with pytest.raises(UsageError, match="use `stream` in place"):
        await host.call("items", {})
    with pytest.raises(UsageError, match="use `call` in place"):
        await host.stream("plain", {"number": 1}, print)
    with pytest.raises(UsageError, match="There is no tool 'plian': did you mean 'plain'"):
        await host.call("plian", {})


def test_a_tool_awaits_also_under_a_plain_decorator() -> None:
    class Decorated:
        @tool
        @logged
        async def wrapped(self) -> None:
            """Awaits."""

    host = ToolHost([Tools(), Decorated()])

    awaiting = [spec.name for spec in host.specs if host.awaits(spec.name)]
    assert sorted(awaiting) == ["async_items", "awaiting", "wrapped"]
    assert not host.awaits("unknown")


def test_threads_take_only_adapters_that_say_they_are_safe() -> None:
    class Safe(Tools):
        thread_safe = True

    ToolHost([Safe()], Profile.THREAD)
    with pytest.raises(UsageError, match=r"^adapters Tools: .*`thread_safe = True`"):
        ToolHost([Tools()], Profile.THREAD)


def test_two_adapters_cannot_offer_tools_of_the_same_name() -> None:
    with pytest.raises(UsageError, match="Two adapters offer a tool"):
        ToolHost([Tools(), Tools()])


def test_a_tool_cannot_take_a_reserved_name() -> None:
    class Reserved(Adapter):
        @tool(name="snakepit.mine")
        def mine(self) -> None:
            raise NotImplementedError

    with pytest.raises(UsageError, match="names that begin so are reserved"):
        ToolHost([Reserved()])


async def test_functions_that_are_sent_run_beside_the_tools() -> None:
    host = ToolHost([Tools()])
    pickled = cloudpickle.dumps((pow, (2, 3), {}))

    assert read_outcome(await host.call(SUBMIT, {"call": pickled}), trust_results=False) == (8, "")
    assert {spec.name for spec in host.specs} == {"plain", "awaiting", "items", "async_items"}
    with pytest.raises(UsageError, match=r"no tool 'snakepit\.other'"):
        await host.call("snakepit.other", {})


async def test_a_map_that_nobody_waits_for_ends_between_two_items() -> None:
    context = CallContext(call_id=CallId("call"), correlation_id=CorrelationId("sp-0"))
    done: list[int] = []

    def work(number: int) -> None:
        done.append(number)
        context.cancellation.requested = number == 2

    host = ToolHost([Tools()])
    LOCAL.append(work)  # reached by reference: a pickled closure would be another one
    parameters = {
        "function": cloudpickle.dumps(call_local),
        "items": [cloudpickle.dumps([(number,) for number in range(5)])],
    }
    with serving(context), pytest.raises(KeyboardInterrupt):
        await host.call(MAP, parameters)

    assert done == [0, 1, 2]


async def test_chunks_of_a_map_come_to_outcomes_up_to_the_first_that_fails() -> None:
    def refuses_3(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    context = CallContext(call_id=CallId("call"), correlation_id=CorrelationId("sp-0"))
    chunks = [[(0,), (1,)], [(2,), (3,), (4,)], [(5,)]]
    parameters = {
        "function": cloudpickle.dumps(refuses_3),
        "items": [cloudpickle.dumps(chunk) for chunk in chunks],
    }
    with serving(context):
        outcomes, seconds = read_mapped(await ToolHost([Tools()]).call(MAP, parameters))

    assert seconds > 0
    first, second = (read_outcome(outcome, trust_results=False) for outcome in outcomes)
    assert first == ([0, 1], "")
    assert second[0] == [2]
    assert "three" in second[1]


def test_closing_closes_the_adapters_that_can_be_closed() -> None:
    adapter = Tools()
    ToolHost([adapter, object()]).close()

    assert adapter.notes == ["closed"]


@pytest.mark.parametrize("name", ["test_adapters:Mine", "test_adapters.Mine"])
def test_an_adapter_is_imported_by_either_form_of_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_adapters.py").write_text("class Mine: pass\nclass Mime: pass\nvalue = 1\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert type(load_adapter(AdapterSource(name=name))).__name__ == "Mine"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module_at_all:Mine", "there is no module 'no_such_module_at_all'"),
        ("json:JSONDecodr", "has no class 'JSONDecodr': did you mean 'JSONDecoder'"),
        ("json:dumps", "has no class 'dumps'"),
    ],
)
def test_a_name_that_leads_to_no_class_is_told(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load_adapter(AdapterSource(name=name))


def test_an_import_that_fails_within_the_adapter_is_its_own_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "test_broken.py").write_text("import no_such_module_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        load_adapter(AdapterSource(name="test_broken:Mine"))


async def test_a_class_travels_by_cloudpickle() -> None:
    class Local(Tools):
        @tool
        def local(self) -> str:
            return "local"

    source = AdapterSource(name="a:Local", pickled=cloudpickle.dumps(Local))

    assert await ToolHost([load_adapter(source)]).call("local", {}) == "local"
