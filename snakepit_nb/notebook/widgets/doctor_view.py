"""How it looks what the doctor found: in the notebook, and in a terminal."""

from collections.abc import Iterator

from snakepit_nb.blocking.doctor.findings import Examination, Finding, Verdict

from .table import Table

TITLES = {
    Verdict.OK: "Pools work here.",
    Verdict.WARNING: "Pools work here, with something to look at.",
    Verdict.FAULT: "Pools do not work here as they should.",
}


def doctor_view(examined: Examination) -> Table:
    """Shows each check with its verdict; below it what to do, and what has more than one line."""
    return Table(
        TITLES[examined.verdict],
        ("check", "verdict", "seen"),
        [_row(finding) for finding in examined.findings],
        [note for finding in examined.findings for note in _notes(finding)],
    )


def _row(finding: Finding) -> tuple[str, ...]:
    first, *_ = finding.seen.splitlines() or [""]
    return (_name(finding), str(finding.verdict), first)


def _notes(finding: Finding) -> Iterator[str]:
    if finding.advice:
        yield f"{_name(finding)}: {finding.advice}"
    for line in finding.seen.splitlines()[1:]:
        yield f"    {line}"


def _name(finding: Finding) -> str:
    return finding.name.replace("_", " ")
