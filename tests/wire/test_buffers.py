"""Large frames go through files that hold what they should, and of which none is left."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from snakepit_nb.errors import ValueEncodingError
from snakepit_nb.wire import segments
from snakepit_nb.wire.buffers import BufferEnd, BufferSpace, Outgoing, Side, reachable
from snakepit_nb.wire.frames import (
    LARGE,
    SegmentMaker,
    frame_parts,
    read_reference,
    write_reference,
)
from snakepit_nb.wire.packed import Packed, Pickled
from snakepit_nb.wire.pickles import pickled, unpickled
from snakepit_nb.wire.values import decode_value, encode_value, pack_value

BIG = np.arange(100_000.0)
HEAD = b'{"$py":"bytes","buffer":0}'


class Line:
    """Both ends of a line over one directory."""

    def __init__(self, *directories: Path, worker: int = 3) -> None:
        self.space = BufferSpace(directories=tuple(map(str, directories)), worker=worker)
        self.kernel = BufferEnd(self.space, Side.KERNEL)
        self.worker = BufferEnd(self.space, Side.WORKER)

    def send(self, value: object) -> tuple[Outgoing, bytes]:
        """Sends as the worker does."""
        outgoing = self.worker.outgoing()
        data = encode_value(value, outgoing)
        assert outgoing.write()
        return outgoing, data


@pytest.fixture
def line(tmp_path: Path) -> Line:
    tmp_path.chmod(0o700)
    return Line(tmp_path)


def files(line: Line) -> list[str]:
    return [each.name for place in line.space.directories for each in Path(place).iterdir()]


@pytest.mark.parametrize(
    "value",
    [
        BIG,
        {"a": [BIG, {"b": b"x" * (LARGE + 1)}], "small": np.arange(3)},
        bytearray(b"y" * 200_000),
        list(range(50_000)),
        "süß" * 100_000,
        "\ud800" * 100_000,
        pack_value,
    ],
    ids=["array", "nested", "bytearray", "json", "text", "surrogates", "packed"],
)
def test_what_is_large_goes_through_a_file_that_its_receiver_removes(
    line: Line, value: object
) -> None:
    expected = value = BIG if value is pack_value else value
    outgoing, data = line.send(value)

    assert len(data) < 100
    assert files(line) == ["3-w0"]
    assert Path(f"{line.space.directories[0]}/3-w0").stat().st_mode & 0o777 == 0o600
    received = decode_value(data, line.kernel)
    assert files(line) == []
    assert outgoing.untaken() == 0
    np.testing.assert_equal(received, expected)


@pytest.mark.parametrize(("length", "is_shared"), [(LARGE - len(HEAD), 0), (LARGE + 1, 1)])
def test_what_is_small_stays_in_the_message(line: Line, length: int, is_shared: int) -> None:
    _, data = line.send(b"x" * length)

    assert len(files(line)) == is_shared
    assert decode_value(data, line.kernel) == b"x" * length


def test_an_array_is_its_receivers_own(line: Line) -> None:
    source = np.asfortranarray(BIG.reshape(100, 1000))
    source.flags.writeable = False

    received = decode_value(line.send(source)[1], line.kernel)

    assert received.flags.owndata
    assert received.flags.writeable
    assert received.flags.f_contiguous
    received += 1
    np.testing.assert_array_equal(received, source + 1)


def test_packed_values_wait_in_their_file_and_hold_no_name(line: Line) -> None:
    packed = pack_value({"array": BIG})
    assert isinstance(packed, Packed)

    (received,) = decode_value(line.send([packed])[1], line.kernel)

    assert files(line) == []
    np.testing.assert_array_equal(decode_value(received)["array"], BIG)


def test_a_pickles_buffers_are_as_they_were_when_it_was_made(line: Line) -> None:
    source = BIG.copy()
    made = pickled({"array": source, "fixed": memoryview(bytes(LARGE + 1)).obj, "f": lambda: 1})
    source[:] = -1

    assert isinstance(made, Pickled)
    value = unpickled(decode_value(line.send(made)[1], line.kernel))
    np.testing.assert_array_equal(value["array"], BIG)
    value["array"] += 1
    assert value["f"]() == 1


def test_what_cannot_be_written_to_stays_so_in_a_pickle(line: Line) -> None:
    source = BIG.copy()
    source.flags.writeable = False

    value = unpickled(decode_value(line.send(pickled([source]))[1], line.kernel))[0]

    assert not value.flags.writeable
    np.testing.assert_array_equal(value, source)


def test_small_pickles_are_plain_bytes() -> None:
    assert isinstance(pickled(np.arange(1000)), bytes)
    assert isinstance(pickled(BIG.reshape(1000, 100)[:, :2]), bytes)  # holes are not sent


def test_nothing_is_left_of_what_nobody_takes(line: Line) -> None:
    with line.kernel.outgoing() as outgoing:
        encode_value([BIG], outgoing)
        outgoing.write()
        assert files(line) == ["3-k0"]

    assert files(line) == []


def test_what_is_written_behind_the_end_of_its_call_is_not_left(line: Line) -> None:
    outgoing = line.kernel.outgoing()
    encode_value(BIG, outgoing)
    outgoing.discard()  # as a cancelled call does while a thread still writes

    outgoing.write()

    assert files(line) == []


def test_the_pool_removes_what_one_dead_worker_left_and_no_other(tmp_path: Path) -> None:
    lines = [Line(tmp_path, worker=number) for number in (1, 11)]
    for each in lines:
        each.send(BIG)

    lines[0].space.remove_all()

    assert files(lines[0]) == ["11-w0"]


def test_the_second_directory_takes_what_the_first_has_no_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    second.mkdir(mode=0o700)
    line = Line(first, second)  # the first is not there at all

    _, data = line.send(BIG)

    assert files(Line(second)) == ["3-w0"]
    np.testing.assert_array_equal(decode_value(data, line.kernel), BIG)
    monkeypatch.setattr(segments, "SPARE_BYTES", 2**62)
    with line.worker.outgoing() as outgoing:
        encode_value(BIG, outgoing)
        assert not outgoing.write()
    assert files(Line(second)) == []


async def test_where_no_room_is_all_goes_into_the_message(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "SPARE_BYTES", 2**62)

    def write(maker: SegmentMaker | None) -> bytes:
        return encode_value(BIG, maker)

    with line.worker.outgoing() as outgoing:
        data = await outgoing.written(write)

    assert len(data) > BIG.nbytes
    np.testing.assert_array_equal(decode_value(data), BIG)


def test_a_file_that_cannot_be_finished_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "part"

    def parts() -> list[Any]:
        return [b"x" * 100, memoryview(b"")]

    assert segments.write_segment(str(path), parts())
    assert not segments.write_segment(str(path), parts())  # never over what is there
    assert path.read_bytes() == b"x" * 100
    assert not segments.write_segment("/dev/full", parts())


def test_many_buffers_are_written_in_turns(line: Line) -> None:
    value = [bytes([number % 256]) * 100 for number in range(3000)]

    _, data = line.send(value)

    assert files(line)
    assert decode_value(data, line.kernel) == value


def mangled(line: Line, change: Callable[[Path], object]) -> bytes:
    _, data = line.send(BIG)
    change(Path(line.space.directories[0]) / "3-w0")
    return data


def link_elsewhere(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def link_hard(path: Path) -> None:
    os.link(path, path.with_name("other"))


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    "change",
    [
        Path.unlink,
        link_elsewhere,
        link_hard,
        make_pipe,
        make_directory,
        lambda path: path.chmod(0o644),
        lambda path: os.truncate(path, 100),
        lambda path: os.truncate(path, 10_000_000),
        lambda path: path.write_bytes(bytes(path.stat().st_size)),
    ],
    ids=["gone", "link", "hard-link", "pipe", "directory", "open", "short", "long", "zeros"],
)
def test_what_is_not_what_was_announced_is_refused(
    line: Line, change: Callable[[Path], object]
) -> None:
    data = mangled(line, change)

    with pytest.raises(ValueEncodingError):
        decode_value(data, line.kernel)


def test_a_file_that_shrinks_while_it_is_read_is_an_error_and_no_signal(line: Line) -> None:
    _, data = line.send([pack_value(BIG)])
    reference = read_reference(data)
    assert reference is not None
    descriptor = os.open(f"{line.space.directories[0]}/3-w0", os.O_RDWR)
    (received,) = decode_value(data, line.kernel)
    os.truncate(descriptor, 1000)
    os.close(descriptor)

    with pytest.raises(ValueEncodingError, match="cut short"):
        decode_value(received)


@pytest.mark.parametrize(
    ("count", "head", "lengths"),
    [
        (1, len(HEAD), [2**63]),
        (1, 2**63, [5]),
        (2**31, len(HEAD), [5]),
        (1, len(HEAD), [6]),
        (0, len(HEAD), []),
    ],
)
def test_lengths_that_do_not_fit_are_refused(
    line: Line, count: int, head: int, lengths: list[int]
) -> None:
    start = struct.pack("<4sIQ", b"\x93SNB", count, head)
    parts = [start, struct.pack(f"<{len(lengths)}Q", *lengths), HEAD, b"12345"]
    path = f"{line.space.directories[0]}/3-w7"
    assert segments.write_segment(path, parts)

    with pytest.raises(ValueEncodingError):
        decode_value(write_reference(7, Path(path).stat().st_size), line.kernel)


def test_a_reference_is_refused_where_no_memory_is_shared(line: Line) -> None:
    _, data = line.send(BIG)

    for opener in (None, BufferEnd(BufferSpace(), Side.KERNEL), line.worker):
        with pytest.raises(ValueEncodingError):
            decode_value(data, opener)
    with pytest.raises(ValueEncodingError):
        decode_value(data + b"x", line.kernel)
    with pytest.raises(ValueEncodingError):
        decode_value(data[:-1], line.kernel)


def test_a_reference_inside_a_segment_is_no_reference(line: Line) -> None:
    inner = write_reference(0, 5)
    parts = frame_parts(inner, [])
    path = f"{line.space.directories[0]}/3-w1"
    assert segments.write_segment(path, parts)

    with pytest.raises(ValueEncodingError):
        decode_value(write_reference(1, Path(path).stat().st_size), line.kernel)


def test_a_space_that_others_can_enter_is_not_reachable(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    space = BufferSpace(directories=(str(tmp_path),), worker=1)
    assert reachable(space) is space

    tmp_path.chmod(0o755)
    assert reachable(space) == BufferSpace()
    assert reachable(BufferSpace(directories=(str(tmp_path / "none"),))) == BufferSpace()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no /proc")
def test_neither_descriptors_nor_mappings_are_left(line: Line) -> None:
    def counted() -> tuple[int, int]:
        maps = Path("/proc/self/maps").read_text().count("\n")
        return sum(1 for _ in Path("/proc/self/fd").iterdir()), maps

    decode_value(line.send([BIG, pack_value(BIG)])[1], line.kernel)
    before = counted()
    kept = [decode_value(line.send([BIG, pack_value(b"x")])[1], line.kernel)[0] for _ in range(20)]

    descriptors, maps = counted()
    assert descriptors == before[0]
    assert maps <= before[1] + 2 * len(kept)  # what malloc makes for arrays of their size
    del kept
