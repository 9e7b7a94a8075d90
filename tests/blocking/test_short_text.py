import pytest

from snakepit_nb.blocking.short_text import fine_seconds, plain_line, short_percent


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (1e-10, "0.00 µs"),
        (0.00004199, "42.0 µs"),
        (0.0009996, "1.00 ms"),
        (0.0032, "3.20 ms"),
        (0.9996, "1.00 s"),
        (1.2, "1.20 s"),
        (59.96, "1 min 00 s"),
        (65, "1 min 05 s"),
    ],
)
def test_fine_durations_have_three_digits(seconds: float, text: str) -> None:
    assert fine_seconds(seconds) == text


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0, "0%"), (0.001, "<1%"), (0.005, "<1%"), (0.006, "1%"), (0.614, "61%"), (1, "100%")],
)
def test_a_share_is_in_percent(fraction: float, text: str) -> None:
    assert short_percent(fraction) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\x1b[1;31mred\x1b[0m\nand more", "red and more"),
        ("a\x00b\x07c\x7f", "abc"),
        ("turned \u202eround", "turned round"),
        ("ünïcödé stays", "ünïcödé stays"),
        ("x" * 30, "x" * 19 + "…"),
    ],
)
def test_a_line_from_elsewhere_does_nothing_to_its_surroundings(text: str, line: str) -> None:
    assert plain_line(text, 20) == line
