"""What `start` and `open_pool` take, made into a pool's settings."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import cloudpickle

from snakepit_nb.errors import UsageError, nearest
from snakepit_nb.settings import (
    AdapterSource,
    Affinity,
    CapacityStrategy,
    PoolSettings,
    Profile,
)

E = TypeVar("E", bound=StrEnum)

defaults: dict[str, Any] = {}
"""What `configure` has set for this process."""

_OF_ONE_POOL = frozenset({"name", "adapters", "python", "worker_command", "cwd", "environment"})

_CHOICES: dict[str, type[StrEnum]] = {
    "profile": Profile,
    "capacity_strategy": CapacityStrategy,
    "affinity": Affinity,
}


def pool_settings(
    workers: int | None = None,
    *,
    adapters: Sequence[str | type] = (),
    cwd: str = "",
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> PoolSettings:
    """Makes a pool's settings; what is not given is as `configure` set it, or the schema's own.

    Raises:
        UsageError: an option is unknown or makes no sense.
    """
    fields = {**defaults, **options}
    if "threads" not in options and fields.get("profile") != Profile.THREAD:
        fields.pop("threads", None)  # a default for pools of the other profile
    if workers is not None:
        fields["workers"] = workers
    for option in sorted(set(fields) - set(PoolSettings.__dataclass_fields__)):
        raise UsageError(
            f"A pool has no option {option!r}: {nearest(option, PoolSettings.__dataclass_fields__)}"
        )
    for option, choices in _CHOICES.items():
        if option in fields:
            fields[option] = chosen(option, fields[option], choices)
    return PoolSettings(
        adapters=tuple(_adapter_source(adapter) for adapter in adapters),
        cwd=str(Path(cwd).absolute()) if cwd else "",
        environment=tuple(sorted((env or {}).items())),
        **fields,
    )


def set_defaults(options: Mapping[str, Any]) -> None:
    """Sets what later pools of this process take where they are not told.

    Raises:
        UsageError: an option is unknown, belongs to one pool, or makes no sense.
    """
    known = sorted(set(PoolSettings.__dataclass_fields__) - _OF_ONE_POOL)
    for option in options:
        if option not in known:
            raise UsageError(f"There is no default {option!r}: {nearest(option, known)}")
    wanted = {**defaults, **options}
    threads = wanted.pop("threads", None)
    pool_settings(**wanted)
    if threads is not None:  # for pools of the profile that has any
        pool_settings(profile=Profile.THREAD, threads=threads)
    defaults.update(options)


def chosen(option: str, word: str, choices: type[E]) -> E:
    """Reads one of a few words.

    Raises:
        UsageError: it is none of them.
    """
    if word in list(choices):
        return choices(word)
    raise UsageError(f"{option} {word!r}: {nearest(word, choices)}")


def _adapter_source(adapter: str | type) -> AdapterSource:
    if isinstance(adapter, str):
        return AdapterSource(name=adapter)
    name = f"{adapter.__module__}:{adapter.__qualname__}"
    return AdapterSource(name=name, pickled=cloudpickle.dumps(adapter))
