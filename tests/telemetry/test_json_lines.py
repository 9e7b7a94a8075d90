import json
from pathlib import Path

import pytest

from snakepit_nb.errors import UsageError
from snakepit_nb.observations import LogEntry
from snakepit_nb.telemetry.json_lines import JsonLines
from snakepit_nb.telemetry.log_ring import LogRing


def entry(message: str = "hello", *, level: int = 30, correlation_id: str = "") -> LogEntry:
    return LogEntry(
        at=1_790_000_000_123_456_000,
        level=level,
        logger="mine",
        message=message,
        correlation_id=correlation_id,
    )


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_line_is_an_object_without_what_is_empty(tmp_path: Path) -> None:
    file = JsonLines(str(tmp_path / "log"))
    file.write(entry())
    file.write(entry("ä\nb", level=0, correlation_id="sp-mine"))
    file.close()

    assert lines_of(tmp_path / "log") == [
        {
            "at": "2026-09-21T14:13:20.123456+00:00",
            "level": "WARNING",
            "logger": "mine",
            "message": "hello",
        },
        {
            "at": "2026-09-21T14:13:20.123456+00:00",
            "level": "NOTSET",
            "logger": "mine",
            "message": "ä\nb",
            "correlation_id": "sp-mine",
        },
    ]


def test_lines_are_there_at_once_and_appended_to_what_was(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text('{"message": "before"}\n')
    file = JsonLines(str(path))

    file.write(entry())

    assert [line["message"] for line in lines_of(path)] == ["before", "hello"]
    file.close()


def test_a_lone_surrogate_is_written_as_json_can_tell_it(tmp_path: Path) -> None:
    file = JsonLines(str(tmp_path / "log"))
    file.write(entry("file \udc80"))
    file.close()

    assert lines_of(tmp_path / "log")[0]["message"] == "file \udc80"


def test_a_file_that_cannot_be_opened_is_told_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be written to '.*/no/log': No such file"):
        JsonLines(str(tmp_path / "no" / "log"))


def test_a_ring_writes_each_line_from_then_on_until_it_is_told_to_end(tmp_path: Path) -> None:
    ring = LogRing()
    ring.add(entry("before"))
    ring.write_to(JsonLines(str(tmp_path / "log")))
    ring.add(entry("within"))
    ring.write_to(None)
    ring.add(entry("behind"))

    assert [line["message"] for line in lines_of(tmp_path / "log")] == ["within"]


def test_a_full_disk_ends_the_file_and_not_who_logs(caplog: pytest.LogCaptureFixture) -> None:
    ring = LogRing()
    full = JsonLines("/dev/full")
    ring.write_to(full)

    ring.add(entry("one"))
    ring.add(entry("two"))

    assert [each.message for each in ring.find(number=5)] == ["one", "two"]
    assert [record.message for record in caplog.records] == [
        "the log is not written to its file any more"
    ]
