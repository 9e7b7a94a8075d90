import logging
import pickle
import subprocess
import sys
from collections.abc import Iterator

import pytest

from snakepit_nb.observations import LogEntry
from snakepit_nb.telemetry.correlation import Label, belong_no_more, belong_to
from snakepit_nb.telemetry.logs import label_log_records

log = logging.getLogger("of.a.user")


@pytest.fixture
def entries() -> Iterator[list[LogEntry]]:
    """What the sink has got, in a process whose worker is `w7`."""
    before = logging.getLogRecordFactory()
    taken: list[LogEntry] = []
    label_log_records(taken.append, worker_id="w7")
    yield taken
    logging.setLogRecordFactory(before)


class Unprintable:
    def __str__(self) -> str:
        raise LookupError("no words for it")


def test_a_line_tells_what_it_belongs_to(entries: list[LogEntry]) -> None:
    token = belong_to(Label("sp-mine", "", "s1"))  # type: ignore[arg-type]
    try:
        log.warning("within %s", 1)
    finally:
        belong_no_more(token)
    log.error("behind")

    within, behind = entries
    assert (within.message, within.level, within.logger) == ("within 1", 30, "of.a.user")
    assert (within.correlation_id, within.worker_id, within.session_id) == ("sp-mine", "w7", "s1")
    assert (behind.correlation_id, behind.worker_id, behind.session_id) == ("", "w7", "")
    assert within.at < behind.at
    assert within.traceback == ""


def test_records_carry_the_labels_for_formats(
    entries: list[LogEntry], caplog: pytest.LogCaptureFixture
) -> None:
    token = belong_to(Label("sp-mine", "w1", "s1"))  # type: ignore[arg-type]
    try:
        log.warning("told")
    finally:
        belong_no_more(token)

    told = "sp-mine w1 s1 told"
    (record,) = caplog.records
    old, new = (
        "%(correlation_id)s %(worker_id)s %(session_id)s %(message)s",
        ("{correlation_id} {worker_id} {session_id} {message}"),
    )
    assert logging.Formatter(old).format(record) == told
    assert logging.Formatter(new, style="{").format(record) == told
    assert vars(pickle.loads(pickle.dumps(record)))["session_id"] == "s1"  # noqa: S301
    assert len(entries) == 1


def test_a_line_tells_the_traceback(entries: list[LogEntry]) -> None:
    try:
        int("bad")
    except ValueError:
        log.exception("failed")
    log.error("no exception", exc_info=True)  # noqa: LOG014 (users write it)

    assert entries[0].traceback.startswith("Traceback (most recent call last):\n")
    assert entries[0].traceback.endswith("invalid literal for int() with base 10: 'bad'")
    assert entries[1].traceback == ""


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize("name", ["correlation_id", "worker_id", "session_id"])
def test_a_user_may_give_records_extra_fields_of_the_labels_names(
    caplog: pytest.LogCaptureFixture, name: str
) -> None:
    log.warning("told", extra={name: "the user's"})

    assert vars(caplog.records[0])[name] == "the user's"


def test_what_a_level_holds_back_comes_nowhere(entries: list[LogEntry]) -> None:
    before = log.level
    log.setLevel(logging.WARNING)
    log.info("quiet")
    log.setLevel(before)

    assert entries == []


def test_a_format_that_does_not_fit_is_told_as_it_is(
    entries: list[LogEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "propagate", False)  # pytest's handler raises what others print
    log.warning("of %d", "text")

    (entry,) = entries
    assert entry.message.startswith("of %d (its arguments do not fit: TypeError: %d format")


@pytest.mark.parametrize("words", [(Unprintable(),), ("of %s", Unprintable())])
def test_what_cannot_be_printed_fails_no_line_of_the_users(
    entries: list[LogEntry], monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...]
) -> None:
    monkeypatch.setattr(log, "propagate", False)
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log.warning(*words)

    assert "LookupError" in entries[0].message or "no words" in entries[0].message


def test_what_the_sink_itself_logs_does_not_come_back_to_it() -> None:
    before = logging.getLogRecordFactory()
    seen: list[str] = []

    def sink(entry: LogEntry) -> None:
        seen.append(entry.message)
        log.warning("about %s", entry.message)

    label_log_records(sink)
    try:
        log.warning("first")
        log.warning("second")
    finally:
        logging.setLogRecordFactory(before)

    assert seen == ["first", "second"]


def test_a_sink_that_fails_once_has_the_next_line_and_fails_nobody() -> None:
    before = logging.getLogRecordFactory()
    seen: list[str] = []

    def sink(entry: LogEntry) -> None:
        seen.append(entry.message)
        if entry.message == "first":
            raise OSError("no room")

    label_log_records(sink)
    try:
        log.warning("first")
        log.warning("second")
    finally:
        logging.setLogRecordFactory(before)

    assert seen == ["first", "second"]


def test_records_that_are_made_of_a_dictionary_are_nobodys_lines(entries: list[LogEntry]) -> None:
    record = logging.makeLogRecord({"name": "elsewhere", "msg": "told", "session_id": "theirs"})

    assert (record.name, record.getMessage(), vars(record)["session_id"]) == (
        "elsewhere",
        "told",
        "theirs",
    )
    assert entries == []


def test_a_second_time_only_changes_the_sink(entries: list[LogEntry]) -> None:
    factory = logging.getLogRecordFactory()
    second: list[LogEntry] = []

    label_log_records(second.append, worker_id="w8")
    log.warning("told")

    assert logging.getLogRecordFactory() is factory
    assert entries == []
    assert [entry.worker_id for entry in second] == ["w8"]


def test_users_configure_logging_as_without_us() -> None:
    code = (
        "import logging, sys; from snakepit_nb.telemetry.logs import label_log_records; "
        "label_log_records(lambda _: None); "
        "logging.basicConfig(level='INFO', stream=sys.stdout, format='%(levelname)s %(message)s'); "
        "logging.info('seen'); logging.debug('unseen'); print(len(logging.root.handlers))"
    )

    told = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30
    )

    assert told.stdout.splitlines() == ["INFO seen", "1"]
    assert told.stderr == ""
