"""`%snakepit doctor`, without a notebook around it."""

import json

import pytest

from snakepit_nb.blocking.doctor.findings import Examination, Finding, Verdict
from snakepit_nb.notebook.subcommand import Surroundings
from snakepit_nb.notebook.subcommands import run_line
from snakepit_nb.notebook.widgets.doctor_view import doctor_view
from snakepit_nb.notebook.widgets.table import Table

EXAMINED = Examination(
    findings=(
        Finding(name="ports", verdict=Verdict.OK, seen="none"),
        Finding(name="worker", verdict=Verdict.FAULT, seen="It ended.\nIts words:", advice="Look."),
        Finding(name="shared_memory", verdict=Verdict.WARNING, seen="<1 MiB>", advice="Get more."),
    )
)


def test_each_check_has_a_line_and_what_to_do_stands_below() -> None:
    view = doctor_view(EXAMINED)

    assert str(view).splitlines() == [
        "Pools do not work here as they should.",
        "check          verdict  seen",
        "ports          ok       none",
        "worker         fault    It ended.",
        "shared memory  warning  <1 MiB>",
        "worker: Look.",
        "    Its words:",
        "shared memory: Get more.",
    ]
    assert "&lt;1 MiB&gt;" in view._repr_html_()


def test_the_line_shows_a_table_or_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    shown = run_line("doctor --quick", Surroundings(namespace={}))
    assert run_line("doctor --quick --json", Surroundings(namespace={})) is None

    assert isinstance(shown, Table)
    assert "versions" in str(shown)
    assert json.loads(capsys.readouterr().out)["checks"]["versions"]["values"]["grpcio"]
