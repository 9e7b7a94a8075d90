"""What the original's host says to a worker: by flags, and by variables that outdo them."""

import json

import pytest

from snakepit_nb.worker.elixir.options import Heartbeat, Options, read_options


def read(*flags: str, **variables: str) -> Options:
    return read_options(["--adapter", "a.B", "--elixir-address", "h:1", *flags], variables)


def test_what_nobody_says_is_as_in_the_original() -> None:
    options = read()
    assert (options.port, options.threads, options.log_level) == (0, None, "error")
    assert not options.leads_group
    assert options.heartbeat == Heartbeat(interval=2, timeout=10, misses=3, dependent=True)


def test_flags_that_are_not_known_are_the_hosts_business() -> None:
    options = read("--snakepit-run-id", "r", "--snakepit-instance-token", "t", "--new-one", "x")
    assert options.adapter == "a.B"


@pytest.mark.parametrize("name", ["SNAKEPIT_GRPC_ADDRESS", "SNAKEPIT_ELIXIR_ADDRESS"])
def test_an_address_may_stand_in_a_variable(name: str) -> None:
    assert read_options(["--adapter", "a.B"], {name: "h:2"}).host_address == "h:2"
    assert read(**{name: "h:2"}).host_address == "h:1"


@pytest.mark.parametrize(
    "names",
    [
        ("enabled", "interval_ms", "timeout_ms", "max_missed_heartbeats", "initial_delay_ms"),
        ("enabled", "intervalMs", "timeoutMs", "maxMissedHeartbeats", "initialDelayMs"),
        ("enabled", "ping_interval_ms", "timeout_ms", "max_missed_heartbeats", "initial_delay_ms"),
    ],
)
def test_the_variable_outdoes_the_flags_of_the_heartbeat(names: tuple[str, ...]) -> None:
    config = json.dumps(dict(zip(names, (True, 500, 250, 4, 100), strict=True)))
    options = read(
        "--heartbeat-interval-ms",
        "9000",
        "--heartbeat-independent",
        SNAKEPIT_HEARTBEAT_CONFIG=config,
    )
    assert options.heartbeat == Heartbeat(
        interval=0.5, timeout=0.25, misses=4, initial_delay=0.1, dependent=False
    )


@pytest.mark.parametrize(
    "config", ["", "{", "[]", '{"interval_ms": "soon"}', '{"interval_ms": -5}']
)
def test_a_heartbeat_that_makes_no_sense_is_the_usual_one(config: str) -> None:
    assert read(SNAKEPIT_HEARTBEAT_CONFIG=config).heartbeat == Heartbeat()


@pytest.mark.parametrize(
    ("flags", "threads"),
    [((), None), (("--threads", "3"), 3), (("--max-workers", "4"), 4)],
)
def test_it_runs_one_call_at_a_time_unless_it_is_told_otherwise(
    flags: tuple[str, ...], threads: int | None
) -> None:
    assert read(*flags).threads == threads


@pytest.mark.parametrize("flags", [("--threads", "0"), ("--port", "x")])
def test_a_flag_that_is_none_is_refused(flags: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as caught:
        read(*flags)
    assert caught.value.code == 2
