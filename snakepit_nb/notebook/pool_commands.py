"""The subcommands of `%snakepit` that start, change, show and stop pools."""

import argparse
import ast
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from snakepit_nb.blocking import face
from snakepit_nb.blocking.handle import Pool
from snakepit_nb.errors import UsageError
from snakepit_nb.settings import Affinity, CapacityStrategy, PoolSettings, Profile

from .cell_options import OptionParser, parse_bytes, parse_seconds
from .dashboard import dashboard
from .subcommand import Subcommand, Surroundings, add_pool
from .widgets.status_view import counted, sessions_view, status_view
from .widgets.table import Table

CONFIGURABLE = (
    "workers",
    "profile",
    "threads",
    "capacity_strategy",
    "affinity",
    "call_timeout",
    "stream_timeout",
    "queue_timeout",
    "queue_size",
    "session_ttl",
    "session_limit",
    "worker_ttl",
    "max_calls",
    "max_memory",
    "restart_limit",
    "breaker_limit",
    "breaker_seconds",
    "interrupt_grace",
    "trust_results",
    "telemetry",
    "rogue_cleanup",
)

GIVEN_AS_THEY_ARE = (
    "workers",
    "profile",
    "threads",
    "capacity_strategy",
    "affinity",
    "max_calls",
    "rogue_cleanup",
    "worker_command",
)
"""Options of `start` that are fields of the settings."""


def pool_commands() -> dict[str, Subcommand]:
    """Makes them, by name."""
    stop = OptionParser("%snakepit stop", "Stops a pool when its calls have finished.")
    add_pool(stop)
    stop.add_argument("--all", action="store_true", help="all pools")
    stop.add_argument("--now", action="store_true", help="end what runs")

    restart = OptionParser("%snakepit restart", "Replaces workers when their calls have finished.")
    restart.add_argument("worker", nargs="?", metavar="WORKER", help="one worker; all of them")
    add_pool(restart, is_option=True)
    restart.add_argument("--now", action="store_true", help="kill the old ones")

    scale = OptionParser("%snakepit scale", "Starts or stops workers until there are N.")
    scale.add_argument("workers", metavar="N|+K|-K", help="how many, or how many more or fewer")
    add_pool(scale, is_option=True)

    use = OptionParser("%snakepit use", "Makes a pool the one that is meant where none is named.")
    use.add_argument("pool", metavar="POOL", help="the pool")

    status = OptionParser("%snakepit status", "Shows workers, loads, sessions and the queue.")
    add_pool(status)
    status.add_argument("--json", action="store_true", help="tell it as JSON, for programs")

    panel = OptionParser("%snakepit dashboard", "Shows a live panel of a pool.")
    add_pool(panel)

    sessions = OptionParser("%snakepit sessions", "Lists sessions, their workers and variables.")
    add_pool(sessions)

    config = OptionParser("%snakepit config", "Shows or sets what later starts take by default.")
    config.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="what to set")

    return {
        "start": Subcommand(parser=start_parser(), run=_start),
        "stop": Subcommand(parser=stop, run=_stop),
        "restart": Subcommand(parser=restart, run=_restart),
        "scale": Subcommand(parser=scale, run=_scale),
        "use": Subcommand(parser=use, run=_use),
        "list": Subcommand(parser=OptionParser("%snakepit list", "Lists the pools."), run=_list),
        "status": Subcommand(parser=status, run=_status),
        "dashboard": Subcommand(parser=panel, run=_dashboard),
        "sessions": Subcommand(parser=sessions, run=_sessions),
        "config": Subcommand(parser=config, run=_config),
    }


def start_parser() -> OptionParser:
    """Makes the parser for the options of `%snakepit start`."""
    start = OptionParser("%snakepit start", "Starts a pool and waits until it serves.")
    start.add_argument("-n", "--workers", type=int, metavar="N", help="how many worker processes")
    start.add_argument("--name", default="default", metavar="POOL", help="what to call the pool")
    start.add_argument(
        "--profile",
        choices=[str(profile) for profile in Profile],
        help="process: a worker runs one call at a time; thread: several",
    )
    start.add_argument("--threads", type=int, metavar="T", help="how many, with --profile thread")
    start.add_argument(
        "--adapter",
        action="append",
        default=[],
        metavar="MOD:NAME",
        help="a class with tools: module:Class, or one that the notebook defines; may be repeated",
    )
    start.add_argument(
        "--worker-command",
        metavar="CMD",
        help="what to run in place of our worker: one of the original Snakepit's",
    )
    start.add_argument("--python", default="", metavar="EXE", help="the workers' interpreter")
    start.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="K=V",
        help="sets a variable of the workers' environment; may be repeated",
    )
    start.add_argument("--cwd", default="", metavar="DIR", help="the workers' directory")
    start.add_argument(
        "--capacity-strategy",
        choices=[str(strategy) for strategy in CapacityStrategy],
        help="who places calls on workers that hold several",
    )
    start.add_argument(
        "--affinity",
        choices=[str(affinity) for affinity in Affinity],
        help="what ties a session's tools to its worker",
    )
    start.add_argument(
        "--max-memory", metavar="2GB", help="replace a worker that holds more memory"
    )
    start.add_argument(
        "--max-calls", type=int, metavar="N", help="replace a worker that has served so many"
    )
    start.add_argument("--ttl", metavar="1h", help="replace a worker that has served so long")
    start.add_argument("--timeout", metavar="30s", help="how long a tool's call may take")
    start.add_argument(
        "--no-rogue-cleanup",
        dest="rogue_cleanup",
        action="store_const",
        const=False,
        help="leave alone what killed kernels have left",
    )
    start.add_argument("-q", "--quiet", action="store_true", help="say nothing when it is ready")
    return start


def start_options(found: argparse.Namespace, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the options of `face.start` that the parser has found.

    Raises:
        UsageError: a value has no form that is known.
    """
    given = {
        option: getattr(found, option)
        for option in GIVEN_AS_THEY_ARE
        if getattr(found, option) is not None
    }
    if found.timeout is not None:
        given["call_timeout"] = parse_seconds("--timeout", found.timeout)
    if found.ttl is not None:
        given["worker_ttl"] = parse_seconds("--ttl", found.ttl)
    if found.max_memory is not None:
        given["max_memory"] = parse_bytes("--max-memory", found.max_memory)
    return {
        "name": found.name,
        "adapters": [_adapter(adapter, namespace) for adapter in found.adapter],
        "python": found.python,
        "cwd": found.cwd,
        "env": dict(_setting(setting) for setting in found.env),
        **given,
    }


def _start(found: argparse.Namespace, surroundings: Surroundings) -> object:
    begun = time.monotonic()
    started = face.start(**start_options(found, surroundings.namespace))
    if not found.quiet:
        _tell_start(started, time.monotonic() - begun)
    return None


def _tell_start(started: Pool, seconds: float) -> None:
    snapshot = started.status()
    names = ", ".join(worker.worker_id for worker in snapshot.workers)
    threads = "" if started.settings.capacity == 1 else f" x {started.settings.capacity} threads"
    workers = counted(len(snapshot.workers), "worker")
    print(f"Pool {started.name!r} serves after {seconds:.1f} s: {workers} ({names}){threads}.")
    for problem in snapshot.problems:
        print(problem)


def _stop(found: argparse.Namespace, _: Surroundings) -> object:
    if found.all:
        face.stop_all(now=found.now)
        stopped = True
    else:
        stopped = face.stop(found.pool, now=found.now)
    print("Stopped." if stopped else "No pool runs.")
    return None


def _restart(found: argparse.Namespace, _: Surroundings) -> object:
    chosen = face.pool(found.pool)
    lost = [s for s in chosen.status().sessions if found.worker in (None, s.worker_id)]
    chosen.restart(found.worker, now=found.now)
    serving = [w.worker_id for w in chosen.status().workers if w.state != "draining"]
    print(f"Pool {chosen.name!r}: {counted(len(serving), 'worker')} ({', '.join(serving)}).")
    for session in lost:
        print(f"Session {session.session_id!r} is gone with worker {session.worker_id}.")
    return None


def _scale(found: argparse.Namespace, _: Surroundings) -> object:
    workers = face.scale(found.workers, name=found.pool)
    print(f"Pool {face.pool(found.pool).name!r}: {counted(workers, 'worker')}.")
    return None


def _use(found: argparse.Namespace, _: Surroundings) -> object:
    print(f"Pool {face.use(found.pool).name!r} is in use.")
    return None


def _list(_found: argparse.Namespace, _: Surroundings) -> object:
    running = face.pools()
    in_use = face.pool().name if running else ""
    return Table(
        counted(len(running), "pool"),
        ("pool", "in use", "workers", "profile", "load"),
        [_pool_row(pool, is_in_use=pool.name == in_use) for pool in running],
    )


def _pool_row(pool: Pool, *, is_in_use: bool) -> tuple[str, ...]:
    workers = pool.status().workers
    load = sum(worker.load for worker in workers)
    capacity = sum(worker.capacity for worker in workers)
    mark = "*" if is_in_use else ""
    return (pool.name, mark, str(len(workers)), str(pool.settings.profile), f"{load}/{capacity}")


def _status(found: argparse.Namespace, surroundings: Surroundings) -> object:
    snapshot = face.status(found.pool)
    if not found.json:
        return status_view(snapshot, surroundings.notes)
    told = {**asdict(snapshot), "notes": surroundings.notes}
    print(json.dumps(told, indent=2, default=str))
    return None


def _dashboard(found: argparse.Namespace, _: Surroundings) -> object:
    return dashboard(found.pool)


def _sessions(found: argparse.Namespace, _: Surroundings) -> object:
    return sessions_view(face.status(found.pool))


def _config(found: argparse.Namespace, _: Surroundings) -> object:
    settings = [text.partition("=") for text in found.settings]
    for key, equals, _value in settings:
        if not equals:
            raise UsageError(f"config {key}: write KEY=VALUE.")
    set_now = face.configure(**{key: _literal(value) for key, _, value in settings})
    defaults = {field: PoolSettings.__dataclass_fields__[field].default for field in CONFIGURABLE}
    return Table(
        "Defaults of later starts",
        ("key", "value", ""),
        [
            (key, str(value), "set" if key in set_now else "")
            for key, value in {**defaults, **set_now}.items()
        ],
    )


def _literal(text: str) -> object:
    """Reads a Python literal; any other word is itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _adapter(text: str, namespace: Mapping[str, Any]) -> str | type:
    """Returns a class that the notebook defines under this name, else the name for the workers."""
    found = namespace.get(text)
    return found if isinstance(found, type) else text


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--env {text}: write NAME=VALUE.")
    return name, value
