"""A row of numbers as a row of block characters. No clock, no widget."""

import math
from collections.abc import Sequence

WIDTH = 20
_BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(numbers: Sequence[float]) -> str:
    """Draws numbers, the lowest as the lowest block; of many, the last of each piece of the row."""
    shown = [numbers[end - 1] for end in _ends(len(numbers))]
    finite = [number for number in shown if math.isfinite(number)]
    if len(finite) < 2:  # noqa: PLR2004 (one number is no row)
        return ""
    low, high = min(finite), max(finite)
    return "".join(_block(number, low, high) for number in shown)


def _ends(length: int) -> list[int]:
    columns = min(length, WIDTH)
    return [(column + 1) * length // columns for column in range(columns)]


def _block(number: float, low: float, high: float) -> str:
    if not math.isfinite(number):
        return " "
    span = high / 2 - low / 2  # halved, so that it is finite
    share = (number / 2 - low / 2) / span if span else 0.5
    return _BLOCKS[min(int(share * len(_BLOCKS)), len(_BLOCKS) - 1)]
