"""Which workers `-t` means: `all`, `0`, `0,2`, `1:`, `w1`. Parsed, never evaluated."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from snakepit_nb.errors import UsageError, nearest
from snakepit_nb.identifiers import WorkerId, place_name

ANY = "any"
ALL = "all"

_NUMBER = re.compile(r"-?\d{1,9}")
_SLICE = re.compile(r"(-?\d{1,9})?:(-?\d{1,9})?(?::(-?\d{1,9})?)?")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_FORMS = "give any, all, a number, a slice such as 1:, a worker's name, or several with commas"


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What a text means, whatever workers there are."""

    text: str
    parts: tuple[int | slice | str, ...]

    @property
    def are_any(self) -> bool:
        """Whether it is one worker, whichever has room, with variables of nobody's."""
        return self.parts == (ANY,)

    @property
    def are_many(self) -> bool:
        """Whether outputs, errors and values are told by worker: also where there is only one."""
        return len(self.parts) > 1 or isinstance(self.parts[0], slice)


def parse_targets(text: str) -> Targets:
    """Reads what workers a text means.

    Raises:
        UsageError: it has another form.
    """
    parts = tuple(_part(text, part) for part in re.split(r"[,\s]+", text.strip()))
    if ANY in parts and len(parts) > 1:
        raise UsageError(f"--targets {text}: `any` stands alone.")
    return Targets(text=text, parts=parts)


def chosen_workers(
    targets: Targets, workers: Sequence[WorkerId], *, pool: str
) -> tuple[WorkerId, ...]:
    """Returns the workers that are meant, in the order of the text, each once.

    A number is a worker's place; a negative one counts from the last.

    Raises:
        UsageError: one of them is not there.
    """
    by_place = {place_name(worker): worker for worker in workers}
    if not by_place:
        raise UsageError(f"--targets {targets.text}: pool {pool!r} has no worker.")
    found: dict[WorkerId, None] = {}
    for part in targets.parts:
        meant = [worker for worker in _meant(part, by_place) if worker in workers]
        if not meant:
            wrong = _written(part)
            raise UsageError(
                f"--targets {targets.text}: pool {pool!r} has no worker {wrong}: "
                + nearest(wrong, {*by_place, *workers, ALL, ANY})
            )
        found.update(dict.fromkeys(meant))
    return tuple(found)


def _meant(part: int | slice | str, by_place: dict[str, WorkerId]) -> Iterable[WorkerId]:
    if isinstance(part, str):
        return [by_place.get(part, WorkerId(part))]
    places = sorted(int(place[1:]) for place in by_place)
    if isinstance(part, slice):
        numbers = range(places[-1] + 1)[part]
        return [by_place[f"w{number}"] for number in numbers if number in places]
    number = part if part >= 0 else places[part] if -part <= len(places) else part
    return [by_place[f"w{number}"]] if number in places else []


def _part(text: str, part: str) -> int | slice | str:
    if part == ALL:
        return slice(None)
    if _NUMBER.fullmatch(part):
        return int(part)
    match = _SLICE.fullmatch(part)
    if match is not None and match[3] not in ("0", "-0"):
        begin, end, step = (None if found is None else int(found) for found in match.groups())
        return slice(begin, end, step)
    if _NAME.fullmatch(part):
        return part
    raise UsageError(f"--targets {text}: {_FORMS}.")


def _written(part: int | slice | str) -> str:
    if not isinstance(part, slice):
        return str(part)
    begin, end, step = ("" if b is None else str(b) for b in (part.start, part.stop, part.step))
    return f"{begin}:{end}" + (f":{step}" if step else "")
