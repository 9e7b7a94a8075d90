"""A bound on how deep JSON that came over the line is nested, seen before it is parsed."""

import re
from itertools import accumulate

from snakepit_nb.errors import ValueEncodingError

from .carriers import DEEPEST, TOO_DEEP

DEEPEST_JSON = 2 * DEEPEST + 20
"""A carrier writes two levels for each of the value, dtypes some more."""

_STRING = rb'"(?:[^"\\]++|\\.)*+"?'
_STRINGS = re.compile(_STRING, re.DOTALL)
_PIECES = re.compile(rb"(?:" + _STRING + rb'|[^"]++){1,4096}+', re.DOTALL)
"""Whole strings and what stands between; all at once, they would take fifty times their memory."""
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def check_depth(text: str, encoded: bytes | memoryview) -> None:
    """Looks at a text, and the bytes that it was.

    Raises:
        ValueEncodingError: it is nested too deep.
    """
    if text.count("[") + text.count("{") <= DEEPEST_JSON:
        return
    depth = 0
    for piece in _PIECES.finditer(encoded):
        brackets = _STRINGS.sub(b"", piece[0]).translate(None, _ALL_BUT_BRACKETS)
        steps = list(map(_STEP.__getitem__, brackets))
        if max(accumulate(steps, initial=depth)) > DEEPEST_JSON:
            raise ValueEncodingError(f"The bytes are malformed: the value {TOO_DEEP}.")
        depth += sum(steps)
