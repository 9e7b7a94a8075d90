"""Output of Python, C code and subprocesses comes in its true order, which no kernel keeps."""

import itertools
from collections.abc import Iterator

import pytest

from .kernel_driver import Kernel, Ran

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def kernel(bridged: Kernel) -> Iterator[Kernel]:
    bridged.check("%snakepit start --workers 1")
    yield bridged
    bridged.check("%snakepit stop --now")


def run(kernel: Kernel, code: str) -> Ran:
    return kernel.check(f"%%snakepit_exec\n{code}")


def streams(ran: Ran) -> list[tuple[str, str]]:
    return [(content["name"], content["text"]) for kind, content in ran.outputs if kind == "stream"]


def test_both_streams_of_python_are_in_order(kernel: Kernel) -> None:
    ran = run(
        kernel,
        "import sys\n"
        "for n in range(50):\n"
        "    print('out', n)\n"
        "    print('err', n, file=sys.stderr)\n",
    )

    assert streams(ran) == list(
        itertools.chain.from_iterable(
            [("stdout", f"out {n}\n"), ("stderr", f"err {n}\n")] for n in range(50)
        )
    )


@pytest.mark.parametrize(
    "write",
    [
        pytest.param("os.write(1, b'other %d\\n' % n)", id="a descriptor"),
        pytest.param("libc.puts(b'other %d' % n)", id="puts of C, never flushed"),
        pytest.param("libc.printf(b'other %d\\n', n)", id="printf of C, never flushed"),
        pytest.param("os.system(f'echo other {n}')", id="a shell"),
        pytest.param("subprocess.run(['echo', f'other {n}'])", id="a subprocess"),
        pytest.param(
            "subprocess.run(['echo', f'other {n}'], stdout=sys.stdout)", id="given stdout"
        ),
    ],
)
def test_what_others_write_is_in_order_with_python(kernel: Kernel, write: str) -> None:
    ran = run(
        kernel,
        "import ctypes, os, subprocess, sys\n"
        "libc = ctypes.CDLL(None)\n"
        "for n in range(20):\n"
        "    print('python', n)\n"
        f"    {write}\n"
        "print('end')",
    )

    expected = "".join(f"python {n}\nother {n}\n" for n in range(20)) + "end\n"
    assert streams(ran) == [("stdout", expected)]


def test_displays_results_and_errors_come_behind_what_c_wrote_before(kernel: Kernel) -> None:
    ran = kernel.run(
        "%%snakepit_exec\n"
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.printf(b'a')\n"
        "display('b')\n"
        "libc.printf(b'c')\n"
        "get_ipython().display_pub.clear_output(wait=True)\n"
        "os.write(2, b'd')\n"
        "1 / 0"
    )

    kinds = [content.get("text", kind) for kind, content in ran.outputs]
    assert kinds == ["a", "display_data", "c", "clear_output", "d", "error"]


def test_no_output_leaks_into_the_next_cell(kernel: Kernel) -> None:
    first = run(kernel, "import ctypes\nctypes.CDLL(None).printf(b'first')\nNone")
    second = run(kernel, "print('second')")

    assert (first.text, second.text) == ("first", "second\n")


def test_output_is_shown_while_the_cell_runs(kernel: Kernel) -> None:
    running = kernel.begin(
        "%%snakepit_exec\nimport os, time\nos.write(1, b'now')\nwhile True: time.sleep(60)"
    )
    running.wait_for("now")

    kernel.interrupt()

    assert running.finish().reply["ename"] == "KeyboardInterrupt"


def test_bytes_that_are_no_utf8_do_not_break_a_cell(kernel: Kernel) -> None:
    ran = run(kernel, "import os\nos.write(1, b'a\\xffb')\nprint('c')")

    assert ran.text == "a\N{REPLACEMENT CHARACTER}bc\n"


def test_ten_thousand_flushed_lines_are_complete_and_in_order(kernel: Kernel) -> None:
    ran = run(kernel, "for n in range(10_000): print(n, flush=True)")

    assert ran.text == "".join(f"{n}\n" for n in range(10_000))
