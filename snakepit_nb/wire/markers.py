"""What stands in plain JSON where a value has no JSON form: the original's marker, and its detail.

The original's host knows a marker by its key. By default it tells the value's type only: a `repr`
may hold secrets, and is not even asked for.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from .carriers import type_name

MARKER_KEY = "__ffi_unserializable__"
TYPE_KEY = "__type__"
DETAIL_KEY = "__repr__"
DETAIL_VARIABLE = "SNAKEPIT_UNSERIALIZABLE_DETAIL"
LENGTH_VARIABLE = "SNAKEPIT_UNSERIALIZABLE_REPR_MAXLEN"
ELEMENTS_VARIABLE = "SNAKEPIT_TOLIST_MAX_ELEMENTS"

DEFAULT_LENGTH, LONGEST = 500, 2000
DEFAULT_ELEMENTS = 1_000_000
HIDDEN = "[REDACTED]"

_NAMES = r"(?:api[_-]?key|access[_-]?key|token|secret|password|passwd|authorization)"
_SECRETS = (
    (re.compile(r"(?i)\b(bearer)\s+[\w.~+/=-]+"), rf"\1 {HIDDEN}"),
    (re.compile(r"\bsk-[\w-]{4,}"), HIDDEN),
    # `"api_key": "..."` as well as `token=...`: a quoted text to its end, else one word.
    (
        re.compile(
            rf"""(?i)([\w-]*{_NAMES}[\w-]*["']?\s*[=:]\s*)("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[^\s,;&)\]}}]+)"""
        ),
        rf"\1{HIDDEN}",
    ),
)


class Detail(StrEnum):
    """What a marker says of a value beside its type."""

    NONE = "none"
    TYPE = "type"
    """Words in place of a `repr`, which name the type again."""
    TRUNCATED = "repr_truncated"
    REDACTED = "repr_redacted_truncated"


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerPolicy:
    """How much a marker says, and how many elements a foreign container may have."""

    detail: Detail = Detail.NONE
    longest_detail: int = DEFAULT_LENGTH
    most_elements: int = DEFAULT_ELEMENTS


def marker_policy(environment: Mapping[str, str]) -> MarkerPolicy:
    """Reads the policy from the variables that the original reads; what is no number or mode, not.

    A negative length is none at all.
    """
    mode = environment.get(DETAIL_VARIABLE, "").strip().lower()
    length = _number(environment.get(LENGTH_VARIABLE, ""), DEFAULT_LENGTH)
    elements = _number(environment.get(ELEMENTS_VARIABLE, ""), DEFAULT_ELEMENTS)
    return MarkerPolicy(
        detail=Detail(mode) if mode in set(Detail) else Detail.NONE,
        longest_detail=min(max(length, 0), LONGEST),
        most_elements=elements if elements > 0 else DEFAULT_ELEMENTS,
    )


def marker(value: object, policy: MarkerPolicy) -> dict[str, object]:
    """Makes the JSON object that stands for a value."""
    name = type_name(type(value))
    fields: dict[str, object] = {MARKER_KEY: True, TYPE_KEY: name}
    if policy.detail is not Detail.NONE:
        fields[DETAIL_KEY] = _detail(value, name, policy.detail)[: policy.longest_detail]
    return fields


def redacted(text: str) -> str:
    """Takes out what looks like a secret: bearer tokens, `sk-` keys, passwords by their names."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _detail(value: object, name: str, detail: Detail) -> str:
    if detail is Detail.TYPE:
        return f"<unserializable {name}>"
    shown = _shown(value)
    return redacted(shown) if detail is Detail.REDACTED else shown


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 (users' classes raise anything)
        text = f"<its repr raised {type(error).__name__}>"
    return text.encode("utf-8", "backslashreplace").decode()  # it may have lone surrogates


def _number(text: str, default: int) -> int:
    try:
        return int(text)
    except ValueError:
        return default
