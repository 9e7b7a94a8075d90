"""Which workers a text means."""

import pytest

from snakepit_nb.blocking.targets import chosen_workers, parse_targets
from snakepit_nb.errors import UsageError
from snakepit_nb.identifiers import WorkerId

WORKERS = [WorkerId(name) for name in ("w0", "w1.2", "w2", "w4")]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("all", "w0 w1.2 w2 w4"),
        ("0", "w0"),
        ("1", "w1.2"),
        ("4", "w4"),
        ("-1", "w4"),
        ("-4", "w0"),
        ("0,2", "w0 w2"),
        ("2,0", "w2 w0"),
        ("0 2", "w0 w2"),
        ("0,0,all", "w0 w1.2 w2 w4"),
        ("1:", "w1.2 w2 w4"),
        (":2", "w0 w1.2"),
        ("::2", "w0 w2 w4"),
        ("::-1", "w4 w2 w1.2 w0"),
        ("-2:", "w4"),
        ("w1", "w1.2"),
        ("w1.2", "w1.2"),
        ("w2,0", "w2 w0"),
        ("w2, 0", "w2 w0"),
    ],
)
def test_targets_are_places_slices_and_names(text: str, meant: str) -> None:
    assert " ".join(chosen_workers(parse_targets(text), WORKERS, pool="default")) == meant


@pytest.mark.parametrize(
    ("text", "are_many"),
    [("0", False), ("w1", False), ("-1", False), ("all", True), ("0,1", True), ("0:1", True)],
)
def test_a_single_target_is_no_dictionary(text: str, are_many: bool) -> None:  # noqa: FBT001
    assert parse_targets(text).are_many is are_many


def test_any_is_no_worker_of_the_pool() -> None:
    assert parse_targets("any").are_any
    assert not parse_targets("any").are_many


@pytest.mark.parametrize(
    "text",
    ["", ",", "0,", "__import__('os')", "0;1", "1::0", "[0]", "a b(", "w0:w1", "1.5", "::0"],
)
def test_a_text_of_another_form_is_refused_and_never_evaluated(text: str) -> None:
    with pytest.raises(UsageError, match="give any, all, a number, a slice such as 1:") as caught:
        parse_targets(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("w9", "has no worker w9: did you mean 'w0'|has no worker w9: there is"),
        ("7", r"has no worker 7: there is 'all', 'any', 'w0', 'w1'"),
        ("alll", "did you mean 'all'"),
        ("0,w1.1", r"has no worker w1.1: did you mean 'w1.2'"),
        ("7:", "has no worker 7:"),
    ],
)
def test_workers_that_are_not_there_are_named_with_the_nearest(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        chosen_workers(parse_targets(text), WORKERS, pool="default")


def test_any_stands_alone() -> None:
    with pytest.raises(UsageError, match="`any` stands alone"):
        parse_targets("any,0")


def test_a_pool_without_workers_says_so() -> None:
    with pytest.raises(UsageError, match="pool 'default' has no worker"):
        chosen_workers(parse_targets("all"), [], pool="default")
