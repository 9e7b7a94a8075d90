"""Well-known problems of numerical code, recognised by what NumPy, PyTorch and their like say.

Only the text of an error travels, so it is all that there is to go by; what is not recognised is
shown as it is.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ProblemKind(StrEnum):
    """What is wrong."""

    SHAPE_MISMATCH = "shape_mismatch"
    BROADCAST = "broadcast"
    DEVICE_MISMATCH = "device_mismatch"
    DEVICE_UNAVAILABLE = "device_unavailable"
    OUT_OF_MEMORY = "out_of_memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem, what the message told of it, and what helps."""

    kind: ProblemKind
    hint: str
    details: Mapping[str, object] = field(default_factory=dict)


_HINTS = {
    ProblemKind.SHAPE_MISMATCH: (
        "Print the shapes (x.shape) before this line; reshape or transpose one of the operands."
    ),
    ProblemKind.BROADCAST: (
        "Shapes are compared from the last axis on, and lengths must be equal or 1: add an axis "
        "(x[:, None]) or reshape."
    ),
    ProblemKind.DEVICE_MISMATCH: (
        "Move the model and all of its data to one device: x.to(device), model.to(device)."
    ),
    ProblemKind.DEVICE_UNAVAILABLE: (
        "Look at nvidia-smi and CUDA_VISIBLE_DEVICES in the worker, or use the cpu."
    ),
    ProblemKind.OUT_OF_MEMORY: (
        "Take a smaller batch or data type, process the data in parts, or start fewer workers."
    ),
}

_Read = Callable[[re.Match[str]], dict[str, object]]
_SHAPE = r"[(\[]?\(?[\d, x]+\)?[)\]]?"
_DEVICE = r"(?:cpu|mps|xpu|cuda(?::\d+)?)"
_SIZE = r"([\d.]+)\s*([KMGT]?i?B|bytes)"
_UNITS = {"B": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def recognise(message: str) -> Problem | None:
    """Tells which problem an error's message is about, if it is one of those known."""
    message = message[:4000]
    for pattern, kind, read in _PATTERNS:
        found = pattern.search(message)
        if found is not None:
            return Problem(kind=kind, hint=_HINTS[kind], details=read(found))
    if _OUT_OF_MEMORY.search(message):
        kind = ProblemKind.OUT_OF_MEMORY
        return Problem(kind=kind, hint=_HINTS[kind], details=_memory(message))
    return None


def _shapes(found: re.Match[str]) -> dict[str, object]:
    return {"shapes": [_shape(text) for text in found.groups()]}


def _expected(found: re.Match[str]) -> dict[str, object]:
    return {"expected": _shape(found["expected"]), "got": _shape(found["got"])}


def _dimension(found: re.Match[str]) -> dict[str, object]:
    sizes = {"expected": int(found["expected"]), "got": int(found["got"])}
    return {**sizes, **({"dimension": int(found["at"])} if "at" in found.groupdict() else {})}


def _rank(found: re.Match[str]) -> dict[str, object]:
    return {"expected_rank": int(found["expected"]), "got_rank": int(found["got"])}


def _devices(found: re.Match[str]) -> dict[str, object]:
    return {"devices": list(found.groups())}


def _nothing(_: re.Match[str]) -> dict[str, object]:
    return {}


def _memory(message: str) -> dict[str, object]:
    details: dict[str, object] = {}
    for name, pattern in _MEMORY.items():
        found = pattern.search(message)
        if found is not None:
            details[name] = _bytes(found[1], found[2])
    device = _GPU.search(message) or _NAMED.search(message)
    if device is not None:
        details["device"] = f"cuda:{device[1]}" if device[1].isdigit() else device[1].lower()
    return details


def _shape(text: str) -> list[int]:
    return [int(length) for length in re.findall(r"\d+", text)]


def _bytes(number: str, unit: str) -> int:
    return int(float(number) * 1024 ** _UNITS[unit[0].upper()])


def _pattern(
    text: str, kind: ProblemKind, read: _Read
) -> tuple[re.Pattern[str], ProblemKind, _Read]:
    return re.compile(text, re.IGNORECASE), kind, read


_PATTERNS = (
    _pattern(rf"shapes ({_SHAPE}) and ({_SHAPE}) not aligned", ProblemKind.SHAPE_MISMATCH, _shapes),
    _pattern(
        r"shapes cannot be multiplied \((\d+x\d+) and (\d+x\d+)\)",
        ProblemKind.SHAPE_MISMATCH,
        _shapes,
    ),
    _pattern(
        r"core dimension (?P<at>\d+).*size (?P<got>\d+) is different from (?P<expected>\d+)",
        ProblemKind.SHAPE_MISMATCH,
        _dimension,
    ),
    _pattern(
        r"size of tensor a \((?P<expected>\d+)\) must match the size of tensor b \((?P<got>\d+)\)"
        r" at non-singleton dimension (?P<at>\d+)",
        ProblemKind.BROADCAST,
        _dimension,
    ),
    _pattern(
        rf"could not be broadcast together with (?:remapped )?shapes .*?({_SHAPE}) ({_SHAPE})",
        ProblemKind.BROADCAST,
        _shapes,
    ),
    _pattern(
        rf"could not broadcast input array from shape (?P<got>{_SHAPE}) into shape"
        rf" (?P<expected>{_SHAPE})",
        ProblemKind.BROADCAST,
        _expected,
    ),
    _pattern(
        rf"incompatible shapes for broadcasting: \(?({_SHAPE}),? (?:and )?({_SHAPE})",
        ProblemKind.BROADCAST,
        _shapes,
    ),
    _pattern(
        r"cannot reshape array of size (\d+) into shape (\(.*?\))",
        ProblemKind.SHAPE_MISMATCH,
        _shapes,
    ),
    _pattern(
        r"shape '(\[.*?\])' is invalid for input of size (\d+)", ProblemKind.SHAPE_MISMATCH, _shapes
    ),
    _pattern(
        r"expected (?P<expected>\d)D array, got (?P<got>\d)D array",
        ProblemKind.SHAPE_MISMATCH,
        _rank,
    ),
    _pattern(
        r"has (?P<got>\d+) features, but \w+ is expecting (?P<expected>\d+) features",
        ProblemKind.SHAPE_MISMATCH,
        _dimension,
    ),
    _pattern(
        rf"expected (?:a )?(?:tensor (?:of|with) )?shape (?P<expected>{_SHAPE}),?"
        rf"(?: but)? (?:got|found)(?: shape)? (?P<got>{_SHAPE})",
        ProblemKind.SHAPE_MISMATCH,
        _expected,
    ),
    _pattern(
        rf"same device, but (?:found|got).*?({_DEVICE}) and ({_DEVICE})",
        ProblemKind.DEVICE_MISMATCH,
        _devices,
    ),
    _pattern(
        r"input type \((\S+)\) and weight type \((\S+)\) should be the same",
        ProblemKind.DEVICE_MISMATCH,
        _devices,
    ),
    _pattern(
        r"no CUDA GPUs are available|not compiled with CUDA|found no NVIDIA driver"
        r"|CUDA driver version is insufficient|invalid device ordinal|no CUDA-capable device"
        r"|CUDA_ERROR_NO_DEVICE|MPS backend is not available",
        ProblemKind.DEVICE_UNAVAILABLE,
        _nothing,
    ),
)
_OUT_OF_MEMORY = re.compile(
    r"out of memory|unable to allocate|can't allocate memory|cannot allocate memory", re.IGNORECASE
)
_GPU = re.compile(r"\bGPU (\d+)")
_NAMED = re.compile(rf"\b({_DEVICE})\b", re.IGNORECASE)
_MEMORY = {
    "requested_bytes": re.compile(rf"(?:allocate|allocating) {_SIZE}", re.IGNORECASE),
    "free_bytes": re.compile(rf"{_SIZE}(?: is)? free", re.IGNORECASE),
    "total_bytes": re.compile(rf"total capacity of {_SIZE}", re.IGNORECASE),
}
