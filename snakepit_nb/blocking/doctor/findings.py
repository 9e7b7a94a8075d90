"""What the doctor finds: a verdict on each thing that it looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Pools work, but something will be missed, or will not last."""
    FAULT = "fault"
    """Pools do not work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    name: str
    """What programs know it by; it never changes."""
    verdict: Verdict
    seen: str
    advice: str = ""
    """What to do; empty where nothing is to be done."""
    values: Mapping[str, object] = field(default_factory=dict)
    """What was seen, for programs, in values that JSON has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """All that was looked at."""

    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all."""
        return worst([finding.verdict for finding in self.findings])

    def plain(self) -> dict[str, object]:
        """Returns it in values that JSON has; the keys never change."""
        return {
            "verdict": str(self.verdict),
            "checks": {
                finding.name: {
                    "verdict": str(finding.verdict),
                    "seen": finding.seen,
                    "advice": finding.advice,
                    "values": dict(finding.values),
                }
                for finding in self.findings
            },
        }


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Returns the worst of them; of none, that all is well."""
    return max(verdicts, key=list(Verdict).index, default=Verdict.OK)
