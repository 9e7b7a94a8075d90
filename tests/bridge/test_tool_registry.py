"""Which tools a session has."""

import logging

import pytest

from snakepit_nb.bridge.tool_registry import LocalTool, RemoteTool, Tool, ToolRegistry
from snakepit_nb.calls import ToolSpec
from snakepit_nb.errors import UsageError
from snakepit_nb.identifiers import SessionId, WorkerId

ONE, OTHER = SessionId("one"), SessionId("other")


def remote(name: str, worker: str = "w0", **metadata: str) -> Tool:
    return RemoteTool(spec=ToolSpec(name=name), worker_id=WorkerId(worker), metadata=metadata)


def local(name: str) -> Tool:
    return LocalTool(spec=ToolSpec(name=name), function=len)


def names_of(registry: ToolRegistry, session: SessionId) -> list[str]:
    return [tool.spec.name for tool in registry.tools_of(session)]


def test_a_session_finds_its_tools_and_no_others() -> None:
    registry = ToolRegistry()
    registry.register(ONE, [remote("embed"), local("lookup")])
    registry.register(OTHER, [remote("embed", "w1")])

    found = registry.find(OTHER, "embed")

    assert isinstance(found, RemoteTool)
    assert found.worker_id == "w1"
    assert isinstance(registry.find(ONE, "lookup"), LocalTool)
    assert registry.find(OTHER, "lookup") is None
    assert registry.find(SessionId("nobody"), "embed") is None


@pytest.mark.parametrize("name", ["a", "a" * 64, "1.b-c_D", "  embed "])
def test_a_name_has_up_to_64_letters_digits_and_marks(name: str) -> None:
    registry = ToolRegistry()

    registry.register(ONE, [remote(name)])

    assert registry.find(ONE, name.strip()) is not None


@pytest.mark.parametrize("name", ["", " ", "a" * 65, "_a", ".a", "-a", "a b", "ä", "a/b"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="a name has 1 to 64"):
        ToolRegistry().register(ONE, [remote(name)])


def test_metadata_has_a_limit_in_entries_and_in_bytes() -> None:
    registry = ToolRegistry()

    registry.register(ONE, [remote("most", **{f"k{n}": "" for n in range(32)})])
    registry.register(ONE, [remote("longest", k="ä" * 2047 + "x")])
    with pytest.raises(UsageError, match="33 entries"):
        registry.register(ONE, [remote("more", **{f"k{n}": "" for n in range(33)})])
    with pytest.raises(UsageError, match="4097 bytes"):
        registry.register(ONE, [remote("longer", k="ä" * 2048)])

    assert names_of(registry, ONE) == ["most", "longest"]


@pytest.mark.parametrize("batch", [["b", "a"], ["b", "b"], ["b", "?"]])
def test_of_a_batch_all_are_registered_or_none(batch: list[str]) -> None:
    registry = ToolRegistry()
    registry.register(ONE, [remote("a")])

    with pytest.raises(UsageError):
        registry.register(ONE, [remote(name) for name in batch])

    assert names_of(registry, ONE) == ["a"]


def test_a_duplicate_is_called_so_as_the_original_does() -> None:
    registry = ToolRegistry()
    registry.register(ONE, [remote("a")])

    with pytest.raises(UsageError, match="duplicate_tool"):
        registry.register(ONE, [local("a")])


def test_cleanup_of_a_session_removes_its_tools_only_and_tells_and_logs_their_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = ToolRegistry()
    registry.register(ONE, [remote("a"), local("b"), remote("c")])
    registry.register(OTHER, [remote("a")])

    with caplog.at_level(logging.INFO, "snakepit_nb.bridge"):
        removed = registry.cleanup_session(ONE)

    assert removed == 3
    assert [record.message for record in caplog.records] == ["session one: 3 tools removed"]
    assert names_of(registry, ONE) == []
    assert names_of(registry, OTHER) == ["a"]
    assert registry.cleanup_session(ONE) == 0


def test_a_lost_worker_takes_its_tools_out_of_all_sessions() -> None:
    registry = ToolRegistry()
    registry.register(ONE, [remote("a"), remote("b", "w1"), local("c")])
    registry.register(OTHER, [remote("a")])

    assert registry.cleanup_worker(WorkerId("w0")) == 2

    assert names_of(registry, ONE) == ["b", "c"]
    assert names_of(registry, OTHER) == []
