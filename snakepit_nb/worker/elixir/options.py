"""What the original's host says to a worker that it starts: flags, and variables. No state."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_TRUE = frozenset({"1", "on", "t", "true", "y", "yes"})
ADDRESS_VARIABLES = ("SNAKEPIT_GRPC_ADDRESS", "SNAKEPIT_ELIXIR_ADDRESS")
HEARTBEAT_VARIABLE = "SNAKEPIT_HEARTBEAT_CONFIG"
READY_VARIABLE = "SNAKEPIT_READY_FILE"
GROUP_VARIABLE = "SNAKEPIT_PROCESS_GROUP"
LEVEL_VARIABLE = "SNAKEPIT_LOG_LEVEL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """How a worker makes sure that its host is still there. Durations are seconds."""

    enabled: bool = True
    interval: float = 2.0
    timeout: float = 10.0
    misses: int = 3
    """How many in a row may fail."""
    initial_delay: float = 0.0
    dependent: bool = True
    """Whether the worker ends with its host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """All that such a worker is told."""

    adapter: str
    port: int
    host_address: str
    threads: int | None
    """None: one call at a time, on the main thread."""
    heartbeat: Heartbeat
    ready_file: str
    leads_group: bool
    """Whether it is to lead a process group of its own."""
    log_level: str
    only_health: bool
    """Whether it is to look whether the adapter can be imported, and end."""


def read_options(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """Reads them; flags that are not known are the host's own business.

    Raises:
        SystemExit: one is missing, or is none.
    """
    parser = _parser()
    known, _ = parser.parse_known_args(arguments)
    addresses = (known.elixir_address, *map(environment.get, ADDRESS_VARIABLES))
    address = next(filter(None, addresses), "")
    if not address and not known.health_check:
        parser.error("--elixir-address HOST:PORT is missing")
    return Options(
        adapter=known.adapter,
        port=known.port,
        host_address=address,
        threads=known.threads or known.max_workers,
        heartbeat=_heartbeat(known, environment.get(HEARTBEAT_VARIABLE, "")),
        ready_file=environment.get(READY_VARIABLE, ""),
        leads_group=environment.get(GROUP_VARIABLE, "").strip().lower() in _TRUE,
        log_level=environment.get(LEVEL_VARIABLE, "error"),
        only_health=known.health_check,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="grpc_server.py", allow_abbrev=False)
    parser.add_argument("--adapter", required=True, metavar="MODULE.CLASS")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--elixir-address", metavar="HOST:PORT")
    parser.add_argument("--threads", type=_positive, metavar="N", help="calls at once")
    # With this one the host starts the script that came with it: `--threads` is ours.
    parser.add_argument("--max-workers", type=_positive, metavar="N", help="as --threads")
    parser.add_argument("--health-check", action="store_true")
    parser.add_argument("--heartbeat-enabled", nargs="?", const="true")
    parser.add_argument("--heartbeat-interval-ms", type=float)
    parser.add_argument("--heartbeat-timeout-ms", type=float)
    parser.add_argument("--heartbeat-max-missed", type=int)
    parser.add_argument("--heartbeat-initial-delay-ms", type=float)
    parser.add_argument(
        "--heartbeat-dependent", dest="dependent", action="store_true", default=None
    )
    parser.add_argument("--heartbeat-independent", dest="dependent", action="store_false")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _heartbeat(known: argparse.Namespace, configured: str) -> Heartbeat:
    """Reads the heartbeat: what the variable says outdoes the flags."""
    told: dict[str, Any] = {
        "enabled": known.heartbeat_enabled,
        "interval_ms": known.heartbeat_interval_ms,
        "timeout_ms": known.heartbeat_timeout_ms,
        "max_missed_heartbeats": known.heartbeat_max_missed,
        "initial_delay_ms": known.heartbeat_initial_delay_ms,
        "dependent": known.dependent,
        **_configured(configured),
    }
    usual = Heartbeat()
    return Heartbeat(
        enabled=_flag(told["enabled"], usual.enabled),
        interval=_seconds(told["interval_ms"], usual.interval) or usual.interval,
        timeout=_seconds(told["timeout_ms"], usual.timeout) or usual.timeout,
        misses=max(1, int(_number(told["max_missed_heartbeats"], usual.misses))),
        initial_delay=_seconds(told["initial_delay_ms"], usual.initial_delay),
        dependent=_flag(told["dependent"], usual.dependent),
    )


def _configured(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(fields, dict):
        return {}
    snake = {"".join(map(_lowered, name)): value for name, value in fields.items()}
    # The original's host writes the first two of these, its Python reads the others too.
    renamed = {"ping_interval_ms": "interval_ms", "max_missed": "max_missed_heartbeats"}
    return {renamed.get(name, name): value for name, value in snake.items() if value is not None}


def _lowered(letter: str) -> str:
    return f"_{letter.lower()}" if letter.isupper() else letter


def _flag(value: object, usual: bool) -> bool:  # noqa: FBT001 (what is not told)
    return usual if value is None else str(value).strip().lower() in _TRUE


def _seconds(value: object, usual: float) -> float:
    return max(0.0, _number(value, usual * 1000) / 1000)


def _number(value: object, usual: float) -> float:
    return value if isinstance(value, int | float) else usual
