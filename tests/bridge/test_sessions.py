"""What the bridge keeps of sessions."""

import logging
from datetime import UTC, datetime

import pytest

from snakepit_nb.bridge.sessions import SessionStore
from snakepit_nb.errors import SessionQuotaError, UsageError
from snakepit_nb.identifiers import SessionId

ONE, OTHER = SessionId("one"), SessionId("other")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 1, 1, 13, tzinfo=UTC)


def open_at(store: SessionStore, session: str, now: float = 0.0) -> None:
    store.open(SessionId(session), {}, now=now, wall=NOON)


def test_opening_a_session_again_keeps_its_time_and_adds_to_its_metadata() -> None:
    store = SessionStore(ttl=3600, limit=10)
    store.open(ONE, {"a": "1", "b": "1"}, now=0, wall=NOON)

    again = store.open(ONE, {"b": "2"}, now=5, wall=LATER)

    assert again.created_at == NOON
    assert again.metadata == {"a": "1", "b": "2"}
    assert len(store) == 1


def test_a_session_lives_on_for_its_whole_time_whenever_it_is_used() -> None:
    store = SessionStore(ttl=3600, limit=10)
    open_at(store, ONE)
    open_at(store, OTHER)

    assert store.use(ONE, now=3000) is not None

    assert store.unused(now=3600) == ()
    assert store.unused(now=3601) == (OTHER,)
    assert store.unused(now=6600) == (OTHER,)
    assert set(store.unused(now=6601)) == {ONE, OTHER}


def test_without_a_time_to_live_none_is_unused() -> None:
    store = SessionStore(ttl=None, limit=10)
    open_at(store, ONE)

    assert store.unused(now=1e9) == ()


def test_what_was_removed_is_not_found() -> None:
    store = SessionStore(ttl=3600, limit=10)
    open_at(store, ONE)

    assert store.remove(ONE)
    assert not store.remove(ONE)
    assert store.use(ONE, now=0) is None


def test_there_are_no_more_sessions_than_may_be_and_known_ones_can_still_be_opened() -> None:
    store = SessionStore(ttl=3600, limit=2)
    open_at(store, ONE)
    open_at(store, OTHER)

    with pytest.raises(SessionQuotaError, match=r"There are 2 sessions.*session_limit"):
        open_at(store, "third")
    open_at(store, ONE)
    store.remove(OTHER)
    open_at(store, "third")

    assert len(store) == 2


def test_four_fifths_of_the_limit_are_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    store = SessionStore(ttl=3600, limit=10)

    for number in range(10):
        open_at(store, f"s{number}")
    for number in range(5):
        store.remove(SessionId(f"s{number}"))
    for number in range(5):
        open_at(store, f"t{number}")

    said = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert [text.partition(";")[0] for text in said] == ["there are 8 sessions"] * 2


@pytest.mark.parametrize("session", ["", "a\nb", "x" * 129])
def test_an_id_is_a_line_of_up_to_128_characters(session: str) -> None:
    with pytest.raises(UsageError, match="128 printable"):
        open_at(SessionStore(ttl=3600, limit=10), session)
