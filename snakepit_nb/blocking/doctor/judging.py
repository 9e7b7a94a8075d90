"""The verdicts on what was seen of the installation, of a worker and of the places of files."""

from collections.abc import Mapping, Sequence

from snakepit_nb.blocking.short_text import short_bytes

from .facts import Interpreter, OrphanCount, RegistryPlace, RuntimePlace, Trial
from .findings import Finding, Verdict

LONGEST_SOCKET_PATH = 107
"""Bytes, of Linux."""
SMALLEST_SPACE = 1024 * 1024
"""Bytes for sockets, which take none, and for what each worker notes of its calls."""
SLOW_START = 10.0
SLOW_CALL = 0.1


def judge_versions(found: Mapping[str, str | None], least: Mapping[str, str]) -> Finding:
    """Compares what is installed with the oldest versions that do."""
    missing = [name for name, version in found.items() if version is None]
    old = [
        f"{name} {version} (needed: {least[name]})"
        for name, version in found.items()
        if version is not None and name in least and release(version) < release(least[name])
    ]
    seen = ", ".join(f"{name} {version or 'missing'}" for name, version in found.items())
    if not missing and not old:
        return Finding(name="versions", verdict=Verdict.OK, seen=seen, values=found)
    return Finding(
        name="versions",
        verdict=Verdict.FAULT,
        seen=seen,
        advice=f"Install again, with its dependencies: {', '.join([*missing, *old])}.",
        values=found,
    )


def judge_interpreters(
    kernel: Interpreter, worker: Interpreter | None, others: Sequence[str]
) -> Finding:
    """Compares the workers' interpreter with this one; `others` are those of running pools."""
    told = f"; pools run with {', '.join(others)}" if others else ""
    values = {
        "kernel": kernel.executable,
        "worker": None if worker is None else worker.executable,
        "pools": list(others),
    }
    if worker is None:
        seen = f"{kernel.executable}, for workers too unless `--python` says otherwise{told}"
        return Finding(name="interpreter", verdict=Verdict.OK, seen=seen, values=values)
    differing = [f"Python {worker.python} for {kernel.python}"] * (worker.python != kernel.python)
    differing += [
        f"{name} {worker.versions.get(name)} for {version}"
        for name, version in kernel.versions.items()
        if worker.versions.get(name) != version
    ]
    if not differing:
        seen = f"{worker.executable}, with the same versions as here{told}"
        return Finding(name="interpreter", verdict=Verdict.OK, seen=seen, values=values)
    return Finding(
        name="interpreter",
        verdict=Verdict.WARNING,
        seen=f"{worker.executable} has {', '.join(differing)}{told}",
        advice="Install the same versions for workers: functions and values of some types "
        "travel only between those that are alike.",
        values={**values, "differing": differing},
    )


def judge_trial(trial: Trial) -> Finding:
    """Says how a worker did that was started, called and stopped."""
    seen = (
        f"a worker served after {trial.start_seconds:.2f} s, a call took "
        f"{trial.call_seconds * 1000:.1f} ms over its Unix socket, it ended in "
        f"{trial.stop_seconds:.2f} s"
    )
    advice = ""
    if trial.problems:
        seen, advice = f"{seen}; {' '.join(trial.problems)}", "See the check that it is about."
    elif trial.start_seconds > SLOW_START or trial.call_seconds > SLOW_CALL:
        advice = "This machine is busy or slow: look what else runs, or give it fewer workers."
    return Finding(
        name="worker",
        verdict=Verdict.WARNING if advice else Verdict.OK,
        seen=seen,
        advice=advice,
        values={
            "start_seconds": round(trial.start_seconds, 3),
            "call_milliseconds": round(trial.call_seconds * 1000, 3),
            "stop_seconds": round(trial.stop_seconds, 3),
            "problems": list(trial.problems),
        },
    )


def judge_runtime(place: RuntimePlace) -> Finding:
    """Says whether sockets can be made, and where."""
    verdict, advice = Verdict.OK, ""
    if place.path_bytes > LONGEST_SOCKET_PATH:
        verdict, advice = Verdict.FAULT, "Set XDG_RUNTIME_DIR to a directory with a shorter path."
    elif place.free_bytes < SMALLEST_SPACE:
        verdict, advice = Verdict.FAULT, "Make room on that file system."
    elif place.preferred and not place.directory.startswith(place.preferred):
        verdict = Verdict.WARNING
        advice = (
            f"{place.preferred} ($XDG_RUNTIME_DIR) cannot be used: it is missing, read-only or has "
            "too long a path. What is used instead does."
        )
    return Finding(
        name="runtime_directory",
        verdict=verdict,
        seen=f"{place.directory}, private; a socket's path has {place.path_bytes} of "
        f"{LONGEST_SOCKET_PATH} bytes, {short_bytes(place.free_bytes)} are free",
        advice=advice,
        values={
            "directory": place.directory,
            "path_bytes": place.path_bytes,
            "free_bytes": place.free_bytes,
        },
    )


def judge_registry(place: RegistryPlace) -> Finding:
    """Says whether the next kernel will know what this one has started."""
    runs = f"{place.live_runs} live runs with {place.live_workers} workers"
    seen, advice = f"{place.path}: {runs}, {place.dead_runs} dead", ""
    if place.problem:
        seen = f"{place.path}: {place.problem}"
        advice = "Mend or remove that file. Until then what a killed kernel leaves may stay."
    elif not place.is_writable:
        seen = f"{place.path} cannot be written"
        advice = "Make its directory writable, or set XDG_STATE_HOME to one that is."
    elif place.is_on_network:
        seen += "; it is on the network"
        advice = "Set XDG_STATE_HOME to a directory of this machine: SQLite's log needs that."
    elif not place.is_there:
        seen = f"{place.path} is made when the first pool starts"
    return Finding(
        name="registry",
        verdict=Verdict.WARNING if advice else Verdict.OK,
        seen=seen,
        advice=advice,
        values={
            "path": place.path,
            "live_runs": place.live_runs,
            "live_workers": place.live_workers,
            "dead_runs": place.dead_runs,
            "is_on_network": place.is_on_network,
        },
    )


def judge_orphans(left: OrphanCount) -> Finding:
    """Says what killed kernels have left. It is listed only, and runs on."""
    seen = f"{len(left.processes)} processes of {left.runs} killed kernels"
    if not left.runs:
        seen = "none: no killed kernel has left anything"
    return Finding(
        name="orphans",
        verdict=Verdict.WARNING if left.processes else Verdict.OK,
        seen=seen,
        advice="`orphans --kill` ends them, and so does the next pool that is started."
        if left.processes
        else "",
        values={"runs": left.runs, "processes": list(left.processes)},
    )


def judge_exits(problems: Mapping[str, Sequence[str]]) -> Finding:
    """Says why workers of this process's pools ended or did not start; by pool, oldest first."""
    told = {pool: list(lines) for pool, lines in problems.items() if lines}
    seen, advice = "no worker of a pool of this process has ended on its own", ""
    if not problems:
        seen = "no pool runs in this process; ask in the notebook or script that has one"
    if told:
        seen = "; ".join(f"{pool}: {lines[-1]}" for pool, lines in told.items())
        advice = "`%snakepit status` has all of them, `%snakepit logs` the workers' last lines."
    return Finding(
        name="last_exits",
        verdict=Verdict.WARNING if told else Verdict.OK,
        seen=seen,
        advice=advice,
        values=told,
    )


PORTS = Finding(
    name="ports",
    verdict=Verdict.OK,
    seen="none is used: workers listen on Unix sockets only",
    values={"listening": []},
)


def release(version: str) -> tuple[int, ...]:
    """Reads the numbers that a version begins with: `1.85.1` and `1.85.1rc2` are (1, 85, 1)."""
    numbers: list[int] = []
    for part in version.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
