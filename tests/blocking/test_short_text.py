import pytest

from snakepit_nb.blocking.short_text import (
    fine_seconds,
    plain_line,
    short_percent,
    short_rate,
    short_seconds,
    short_value,
)


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


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.912345, "0.9123"),
        (1e-5, "1e-05"),
        (True, "True"),
        (12345678, "12345678"),
        ([1, 2.34567, "a", 4, 5], "[1, 2.346, 'a', 4, …]"),
        ({"a": {"b": {"c": 1}}}, "{a: {b: …}}"),
        (b"\x00\x01", "<2 bytes>"),
        ("", "''"),
        ("two\nlines", "'two\\nlines'"),
        ("\x1b[31mred", "'\\x1b[31mred'"),
        ("x" * 1000, "x" * 59 + "…"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_values_are_short_and_on_one_line(value: object, text: str) -> None:
    assert short_value(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (3.21, "3.2 s"), (42.9, "42 s"), (65, "1 min 05 s"), (9000, "2 h 30 min")],
)
def test_durations_are_as_fine_as_they_matter(seconds: float, text: str) -> None:
    assert short_seconds(seconds) == text


@pytest.mark.parametrize(
    ("count", "seconds", "text"),
    [
        (5, 0.0, "0"),
        (1, 50.0, "0.02"),
        (5, 2.0, "2.5"),
        (9999, 1000.0, "10"),
        (24690, 2.0, "12,345"),
    ],
)
def test_rates_have_no_needless_digits(count: int, seconds: float, text: str) -> None:
    assert short_rate(count, seconds) == text
