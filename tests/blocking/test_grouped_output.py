"""What several workers show, labelled and put in order."""

import pytest

from snakepit_nb.blocking.grouped_output import Grouped, Grouping
from snakepit_nb.calls import CellEvent, ClearOutput, Display, ExecuteResult, StreamText

Shown = tuple[int, CellEvent | None]


def text(words: str, name: str = "stdout") -> StreamText:
    return StreamText(name=name, text=words)


def display(words: str) -> Display:
    return Display(data={"text/plain": words})


def emitted(grouping: Grouping, shown: list[Shown], names: tuple[str, ...] = ("w0", "w1")) -> str:
    """Writes what a notebook would show: text as it is, the rest in angle brackets."""
    written: list[str] = []

    def emit(event: CellEvent) -> None:
        match event:
            case StreamText():
                mark = "!" if event.name == "stderr" else ""
                written.append(mark + event.text)
            case Display() | ExecuteResult():
                written.append(f"<{event.data['text/plain']}>")
            case _:
                written.append(f"<{type(event).__name__}>")

    grouped = Grouped(names, grouping, emit)
    for number, event in shown:
        grouped.show(number, event)
    grouped.finish()
    return "".join(written)


BOTH: list[Shown] = [
    (1, text("b1\n")),
    (0, text("a1\n")),
    (1, text("e\n", "stderr")),
    (0, display("a")),
    (1, display("b")),
    (0, text("a2\n")),
    (1, None),
    (0, None),
]


@pytest.mark.parametrize(
    ("grouping", "words"),
    [
        (
            Grouping.NONE,
            "[w1] b1\n[w0] a1\n![w1] e\n[w0]\n<a>[w1]\n<b>[w0] a2\n",
        ),
        (
            Grouping.WORKER,
            "[w0] a1\n[w0]\n<a>[w0] a2\n[w1] b1\n![w1] e\n[w1]\n<b>",
        ),
        (
            Grouping.TYPE,
            "[w0] a1\n[w0] a2\n[w1] b1\n![w1] e\n[w0]\n<a>[w1]\n<b>",
        ),
        (
            Grouping.ORDER,
            "[w0] a1\n[w1] b1\n[w0]\n<a>![w1] e\n[w0] a2\n[w1]\n<b>",
        ),
    ],
)
def test_outputs_are_labelled_by_worker_and_put_in_order(grouping: Grouping, words: str) -> None:
    assert emitted(grouping, BOTH) == words


def test_by_worker_the_first_is_shown_as_it_comes_and_the_next_when_it_has_ended() -> None:
    shown: list[str] = []
    grouped = Grouped(("w0", "w1", "w2"), Grouping.WORKER, lambda e: shown.append(str(e)))

    grouped.show(2, text("c\n"))
    grouped.show(0, text("a\n"))
    assert len(shown) == 1
    grouped.show(1, None)
    grouped.show(0, None)
    assert len(shown) == 2  # the third one's turn has come, and it goes on live
    grouped.show(2, text("d\n"))
    assert len(shown) == 3


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ([(0, "a"), (0, "b\n")], "[w0] ab\n"),
        ([(0, "a"), (1, "b\n")], "[w0] a\n[w1] b\n"),
        ([(0, "a\nb\n")], "[w0] a\n[w0] b\n"),
        ([(0, "\n\n")], "[w0] \n[w0] \n"),
        ([(0, "10%\r"), (0, "20%\r"), (1, "x\n")], "[w0] 10%\r[w0] 20%\r\n[w1] x\n"),
        ([(0, "a\r\n"), (0, "b")], "[w0] a\r\n[w0] b"),
        ([(0, "")], ""),
        ([(0, "form\x0cfeed\n")], "[w0] form\x0cfeed\n"),
    ],
)
def test_each_line_has_its_label_also_where_it_comes_in_pieces(
    pieces: list[tuple[int, str]], words: str
) -> None:
    assert emitted(Grouping.NONE, [(number, text(piece)) for number, piece in pieces]) == words


def test_a_worker_that_clears_takes_away_only_what_nobody_has_seen_of_it() -> None:
    shown: list[Shown] = [
        (0, text("a\n")),
        (0, ClearOutput(wait=False)),
        (1, text("b\n")),
        (1, ClearOutput(wait=False)),
        (1, text("c\n")),
    ]
    assert emitted(Grouping.WORKER, [*shown, (0, None), (1, None)]) == "[w0] a\n[w1] c\n"


def test_values_of_several_workers_are_displays() -> None:
    value = ExecuteResult(execution_count=1, data={"text/plain": "5"})
    assert emitted(Grouping.WORKER, [(0, value), (0, None), (1, None)]) == "[w0]\n<5>"


def test_without_names_nothing_is_changed() -> None:
    shown: list[Shown] = [(0, text("a")), (0, ClearOutput(wait=True)), (0, None)]
    assert emitted(Grouping.ORDER, shown, names=()) == "a<ClearOutput>"
