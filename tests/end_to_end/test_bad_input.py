"""What the user types wrong gets one clear line, fails its cell, and harms nothing."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .kernel_driver import Kernel, Ran, without_colours

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

ADAPTER = """
import threading
from snakepit_nb.worker import Adapter, tool

class Calculating(Adapter):
    @tool
    def add(self, a: int, b: int = 2) -> int:
        return a + b

    @tool
    def lock(self):
        return threading.Lock()
"""

WITHOUT_POOL = {
    "%%snakepit_exec\n1": ["No pool runs", "%snakepit start"],
    "%snakepit_exec 1": ["No pool runs", "%snakepit start"],
    "%%snakepit_exec -p nope\n1": ["No pool runs", "%snakepit start"],
    "%snakepit status": ["No pool runs", "%snakepit start"],
    "%snakepit call add a=1": ["No pool runs", "%snakepit start"],
    "%snakepit strat": ["'strat'", "'start'"],
    "%snakepit 17": ["'17'"],
    "%snakepit start --wrkers 3": ["--wrkers", "--workers"],
    "%snakepit start --workers 0": ["--workers 0", "at least 1"],
    "%snakepit start --workers two": ["--workers", "two"],
    "%snakepit start --workers": ["--workers"],
    "%snakepit start extra": ["'extra'"],
    "%snakepit start --env WRONG": ["--env WRONG", "NAME=VALUE"],
    "%snakepit start --name two-words": ["--name", "'two-words'"],
    "%snakepit start --timeout soon": ["--timeout soon", "30s"],
    "%snakepit start --cwd /no/such/directory": ["/no/such/directory"],
    "%snakepit start --python /no/such/python": ["/no/such/python"],
    "%snakepit start --adapter $nope": ["$nope", "'nope'"],
    "%snakepit start --adapter 'open": ["'open"],
    "%snakepit start --profile threads": ["--profile", "'threads'", "'thread'"],
    "%snakepit start --threads 4": ["--threads 4", "--profile thread"],
    "%snakepit start --profile thread --threads 0": ["--threads 0", "at least 1"],
    "%snakepit start --affinity strict": ["--affinity", "'strict'", "'strict_queue'"],
    "%snakepit start --capacity-strategy pol": ["--capacity-strategy", "'pol'", "'pool'"],
    "%snakepit use default": ["No pool runs", "%snakepit start"],
    "%snakepit ps": ["No pool runs", "%snakepit start"],
    "%snakepit sessions": ["No pool runs", "%snakepit start"],
    "%snakepit restart": ["No pool runs", "%snakepit start"],
    "%snakepit cancel --all": ["No pool runs", "%snakepit start"],
    "%snakepit result": ["No pool runs", "%snakepit start"],
    "%snakepit sesions": ["'sesions'", "'sessions'"],
    "%snakepit config wrkers=4": ["'wrkers'", "'workers'"],
    "%snakepit config workers": ["workers", "KEY=VALUE"],
    "%snakepit config workers=0": ["--workers 0", "at least 1"],
    "%snakepit config workers=many": ["workers", "many"],
    "%snakepit config profile=threads": ["profile 'threads'", "'thread'"],
    "%snakepit config affinity=strict": ["affinity 'strict'", "'strict_queue'"],
    "%snakepit config call_timeout=soon": ["call_timeout", "soon"],
    "%snakepit config queue_timeout=": ["queue_timeout ''"],
    "%snakepit config trust_results=no": ["trust_results 'no'", "True or False"],
    "%snakepit config cwd=/nowhere": ["'cwd'"],
    "%snakepit list --al": ["--al"],
}

WITH_POOL = {
    "%%snakepit_exec -p nope\n1": ["'nope'", "'default'"],
    "%%snakepit_exec --sesion q\n1": ["--sesion", "--session"],
    "%%snakepit_exec -t 7\n1": ["--targets 7", "any"],
    "%%snakepit_exec -t any -s q\n1": ["--targets", "--session"],
    "%%snakepit_exec --timeout soon\n1": ["--timeout soon"],
    "%%snakepit_exec --timeout 0s\n1": ["--timeout 0s"],
    "%%snakepit_exec -i undefined_name\n1": ["--in undefined_name", "notebook"],
    "%%snakepit_exec -i 1a\n1": ["--in 1a"],
    "%%snakepit_exec -i unsendable\n1": ["unsendable", "generator"],
    "%%snakepit_exec -r undefined_name\nNone": ["--return undefined_name"],
    "%%snakepit_exec -r made\nmade = (n for n in ())": ["--return made", "generator"],
    "%%snakepit_exec --correlation-id 'b\u00e4d'\n1": ["correlation id"],
    "%%snakepit_exec 'open\n1": ["'open"],
    "%%snakepit_exec -s $nope\n1": ["$nope", "'nope'"],
    "%snakepit status nope": ["'nope'", "'default'"],
    "%snakepit stop nope": ["'nope'", "'default'"],
    "%snakepit scale": ["N|+K|-K"],
    "%snakepit scale many": ["many"],
    "%snakepit scale 0": ["0"],
    "%snakepit scale -5": ["-"],
    "%snakepit start --workers 3": ["workers", "%snakepit stop", "--name"],
    "%snakepit call": ["TOOL"],
    "%snakepit call ad a=1": ["'ad'", "'add'"],
    "%snakepit stream ad a=1": ["'ad'", "'add'"],
    "%snakepit call add": ["add", "'a'"],
    "%snakepit call add a='x'": ["add", "'a'", "int"],
    "%snakepit call add a=1 c=2": ["add", "'c'"],
    "%snakepit call add a=undefined_name": ["a=undefined_name"],
    "%snakepit call add a": ["'a'", "%snakepit call --help"],
    "%snakepit call add a=1 a=2": ["'a'", "twice"],
    "%snakepit call add a=1 --timeout soon": ["--timeout"],
    "%snakepit call add a=unsendable": ["generator"],
    "%snakepit call lock": ["lock"],
    "%snakepit use": ["POOL"],
    "%snakepit use defualt": ["'defualt'", "'default'"],
    "%snakepit ps nope": ["'nope'", "'default'"],
    "%snakepit sessions nope": ["'nope'", "'default'"],
    "%snakepit restart w7": ["'w7'", "'w0'"],
    "%snakepit restart --nw": ["--nw", "--now"],
    "%snakepit restart w0 -p nope": ["'nope'", "'default'"],
    "%snakepit cancel": ["ID", "%snakepit ps", "--all"],
    "%snakepit cancel sp-0": ["sp-0", "no call"],
    "%snakepit cancel sp-0 --all": ["ID", "--all"],
    "%snakepit cancel --all --kil": ["--kil", "--kill"],
    "%snakepit result": ["'-1'"],
    "%snakepit result sp-0": ["'sp-0'"],
}


def the_only_line(ran: Ran) -> str:
    """Returns the one line that a failed cell showed."""
    assert ran.status == "error", ran
    ((kind, content),) = ran.outputs
    lines = content["traceback"] if kind == "error" else [content["text"]]
    text = without_colours("\n".join(lines)).removesuffix("\n")
    assert "\n" not in text, text
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize("code", WITHOUT_POOL)
def test_without_a_pool_a_wrong_line_gets_one_line(bridged: Kernel, code: str) -> None:
    line = the_only_line(bridged.run(code))

    for words in WITHOUT_POOL[code]:
        assert words in line


@pytest.fixture(scope="module")
def kernel(bridged: Kernel) -> Iterator[Kernel]:
    bridged.check(f"from pathlib import Path\nPath('calculating.py').write_text({ADAPTER!r});")
    bridged.check("%snakepit start --workers 1 --adapter calculating:Calculating")
    bridged.check("unsendable = (n for n in ())")
    bridged.check("%%snakepit_exec\nkept = 'kept'")
    yield bridged
    bridged.check("%snakepit stop --now")


@pytest.mark.parametrize("code", WITH_POOL)
def test_with_a_pool_a_wrong_line_gets_one_line_and_harms_nothing(
    kernel: Kernel, code: str
) -> None:
    line = the_only_line(kernel.run(code))

    for words in WITH_POOL[code]:
        assert words in line
    assert kernel.check("%%snakepit_exec\nkept").value == "kept"


def test_loading_starting_and_stopping_twice_is_harmless(kernel: Kernel) -> None:
    pids = kernel.worker_pids()

    kernel.check("%load_ext snakepit_nb")
    kernel.check("%snakepit start --workers 1 --adapter calculating:Calculating")

    assert kernel.worker_pids() == pids
    assert kernel.check("%snakepit start --name second --workers 1 -q").outputs == ()
    assert kernel.check("%snakepit stop second").text == "Stopped.\n"
    assert kernel.check("%%snakepit_exec\nkept").value == "kept"


def test_stopping_what_does_not_run_is_harmless(bridged: Kernel) -> None:
    assert bridged.check("%snakepit stop --all").text
    assert bridged.check("%snakepit stop").text == "No pool runs.\n"
    assert bridged.check("%snakepit stop").text == "No pool runs.\n"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("import no_such_library_anywhere", "No module named 'no_such_library_anywhere'"),
        ("raise RuntimeError('at import')", "RuntimeError: at import"),
        ("x = (", "SyntaxError"),
        ("", "'Broken'"),
    ],
)
def test_an_adapter_that_does_not_import_shows_the_workers_own_lines(
    bridged: Kernel, source: str, shown: str
) -> None:
    name = f"broken_{abs(hash(source))}"
    bridged.check(f"from pathlib import Path\nPath('{name}.py').write_text({source!r});")

    ran = bridged.run(f"%snakepit start --workers 1 --adapter {name}:Broken")

    assert ran.reply["ename"] == "WorkerStartError"
    assert ran.text.startswith("WorkerStartError: Worker w0 did not start")
    assert name in ran.text
    assert shown in ran.text
    assert "run_notebook" not in ran.text


def test_an_interpreter_without_the_package_is_told_how_to_get_it(
    bridged: Kernel, tmp_path: Path
) -> None:
    bridged.check(
        f"import subprocess\nsubprocess.run([{sys.executable!r}, '-m', 'venv', '--without-pip', "
        f"{str(tmp_path / 'bare')!r}], check=True);"
    )

    ran = bridged.run(f"%snakepit start --workers 1 --python {tmp_path}/bare/bin/python")

    assert ran.reply["ename"] == "WorkerStartError"
    assert f"`{tmp_path}/bare/bin/python -m pip install snakepit-nb`" in ran.text


HANGING = """
import os, sys, threading
from snakepit_nb.worker import Adapter

class Hanging(Adapter):
    pass

try:
    os.mkdir("first")
except FileExistsError:
    pass
else:
    print("waiting for a godot", file=sys.stderr, flush=True)
    threading.Event().wait()
"""


def test_a_worker_that_does_not_get_ready_is_reported_and_the_others_serve(bridged: Kernel) -> None:
    bridged.check(f"from pathlib import Path\nPath('hanging.py').write_text({HANGING!r});")

    bridged.check(
        "import snakepit_nb\n"
        "snakepit_nb.start(workers=2, adapters=['hanging:Hanging'], ready_timeout=4.0)"
        ".wait_ready()"
    )
    status = bridged.check("%snakepit status").content("execute_result")["data"]["text/plain"]

    assert bridged.check("%snakepit_exec 1 + 1").value == 2
    (problem,) = (line for line in status.splitlines() if line.startswith("problem:"))
    assert "did not start" in problem
    assert "4 s" in problem
    assert "waiting for a godot" in status
    assert len(bridged.worker_pids()) == 1
    bridged.check("%snakepit stop --now")
