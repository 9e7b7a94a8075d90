"""Values, durations and rates in few characters, on one line. No clock, no widget."""

import re
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from numbers import Integral, Real

from snakepit_nb.settings import MIB

LONGEST_VALUE = 60

_MOST_ITEMS = 4
_DEEPEST = 2
_MINUTE = 60
_HOUR = 3600
_FINE = 10  # below this, a digit after the point tells something
_UNITS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
_COLOURS_AND_MOVES = r"\x1b\[[0-?]*[ -/]*[@-~]"
_DIRECTIONS = r"\u200e\u200f\u202a-\u202e\u2066-\u2069"  # they could turn a whole line round
_CONTROLS = re.compile(rf"{_COLOURS_AND_MOVES}|[\x00-\x08\x0b-\x1f\x7f-\x9f{_DIRECTIONS}]")


def short_value(value: object) -> str:
    """A value as people read it: floats with up to 4 significant digits, long ones cut."""
    if isinstance(value, str) and _is_plain(value[: LONGEST_VALUE + 1]):
        return one_line(value[: LONGEST_VALUE + 1], LONGEST_VALUE)
    return one_line(_written(value, depth=0), LONGEST_VALUE)


def one_line(text: str, longest: int) -> str:
    """The text with every white space as one blank, cut at `longest` characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def short_seconds(seconds: float) -> str:
    """A duration: `3.2 s`, `42 s`, `1 min 05 s`, `2 h 30 min`."""
    if seconds < _FINE:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"


def fine_seconds(seconds: float) -> str:
    """A duration with 3 significant digits: `42.0 µs`, `3.20 ms`, `1.20 s`, `1 min 05 s`."""
    rounded = float(f"{max(seconds, 0.0):.3g}")  # first, or 999.6 µs were 1000 µs
    if rounded >= _MINUTE:
        return short_seconds(rounded)
    number, unit = next(
        ((rounded / size, unit) for unit, size in _UNITS if rounded >= size), (rounded / 1e-6, "µs")
    )
    if not number:
        return "0 s"
    digits = 0 if number >= _FINE**2 else 1 if number >= _FINE else 2
    return f"{number:.{digits}f} {unit}"


def short_percent(fraction: float) -> str:
    """A share: `79%`, and `<1%` for what is there but small."""
    text = f"{fraction:.0%}"
    return "<1%" if fraction > 0 and text == "0%" else text


def without_controls(text: str) -> str:
    """The text without colours and other control characters but for line ends and tabs."""
    return _CONTROLS.sub("", text)


def plain_line(text: str, longest: int) -> str:
    """A text from elsewhere as one line that does nothing to what stands around it."""
    return one_line(without_controls(text), longest)


def short_bytes(number: int) -> str:
    """An amount of memory: `41 MiB`, `1.5 GiB`."""
    return f"{number / MIB / 1024:.1f} GiB" if number >= 1024 * MIB else f"{number / MIB:.0f} MiB"


def short_rate(count: float, seconds: float) -> str:
    """How many a second, with 2 significant digits below 10 and none after the point above."""
    rate = count / seconds if seconds > 0 else 0.0
    return f"{rate:,.0f}" if rate >= _FINE else f"{rate:.2g}"


def _is_plain(text: str) -> bool:
    """Whether a text can be told from its surroundings without quotation marks."""
    return text != "" and text.isprintable() and text == text.strip()


def _written(value: object, *, depth: int) -> str:
    match value:
        case str():
            return repr(value[: LONGEST_VALUE + 1])
        case Mapping() | list() | tuple():
            return "…" if depth == _DEEPEST else _written_collection(value, depth=depth)
        case bytes() | bytearray():
            return f"<{len(value):,} bytes>"
        case Real() if not isinstance(value, Integral):  # bool is Integral too
            return f"{float(value):.4g}"
        case _:
            return str(value)


def _written_collection(value: Collection[object], *, depth: int) -> str:
    if isinstance(value, Mapping):
        items = (f"{key}: {_written(item, depth=depth + 1)}" for key, item in value.items())
        return f"{{{_first_few(items, len(value))}}}"
    items = (_written(item, depth=depth + 1) for item in value)
    return f"[{_first_few(items, len(value))}]"


def _first_few(texts: Iterable[str], count: int) -> str:
    rest = ["…"] if count > _MOST_ITEMS else []
    return ", ".join([*islice(texts, _MOST_ITEMS), *rest])
