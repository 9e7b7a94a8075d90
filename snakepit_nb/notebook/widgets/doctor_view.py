"""How it looks what the doctor found: in the notebook, and in a terminal."""

from snakepit_nb.blocking.doctor.findings import Examination, Verdict

from .table import Table

TITLES = {
    Verdict.OK: "Pools work here.",
    Verdict.WARNING: "Pools work here, with something to look at.",
    Verdict.FAULT: "Pools do not work here as they should.",
}


def doctor_view(examined: Examination) -> Table:
    """Shows each check with its verdict, and below what to do."""
    return Table(
        TITLES[examined.verdict],
        ("check", "verdict", "seen"),
        [
            (finding.name.replace("_", " "), str(finding.verdict), finding.seen)
            for finding in examined.findings
        ],
        [
            f"{finding.name.replace('_', ' ')}: {finding.advice}"
            for finding in examined.findings
            if finding.advice
        ],
    )
