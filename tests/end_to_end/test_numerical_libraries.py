"""Numerical libraries start as many threads in a worker as the worker runs calls at once."""

import os
from collections.abc import Iterator

import pytest

from .kernel_driver import Kernel

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

CPUS = os.cpu_count() if not hasattr(os, "sched_getaffinity") else len(os.sched_getaffinity(0))

LIMITS = """%%snakepit_exec
import numpy, os, sklearn.cluster, threadpoolctl
sizes = {(pool['internal_api'], pool['num_threads']) for pool in threadpoolctl.threadpool_info()}
dict(sizes)"""

PRODUCT = """%%snakepit_exec
import numpy, time
matrix = numpy.random.default_rng(0).random((1200, 1200))
matrix @ matrix
wall, cpu = time.perf_counter(), time.process_time()
while time.perf_counter() - wall < 1.0:
    matrix @ matrix
(time.process_time() - cpu) / (time.perf_counter() - wall)"""


@pytest.fixture
def kernel(bridged: Kernel) -> Iterator[Kernel]:
    yield bridged
    bridged.run("%snakepit stop --now")
    bridged.check("import os\nfor name in limits: os.environ.pop(name, None)")


@pytest.fixture(scope="module", autouse=True)
def _kernel_has_no_limits(bridged: Kernel) -> None:
    """Whatever the machine sets, these tests begin without."""
    bridged.check(
        "import os\n"
        "limits = [name for name in os.environ if name.endswith('_NUM_THREADS')]\n"
        "limits += ['OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS']\n"
        "for name in limits: os.environ.pop(name, None)"
    )


@pytest.mark.parametrize(
    ("options", "openmp", "openblas"),
    [
        pytest.param("", 1, 1, id="process"),
        pytest.param("--profile thread --threads 4", 4, 4, id="thread"),
        pytest.param("--env OPENBLAS_NUM_THREADS=3", 1, 3, id="env"),
        pytest.param("--env OMP_NUM_THREADS=3", 3, 1, id="env for one library"),
        pytest.param("--profile thread --env OMP_NUM_THREADS=1", 1, 4, id="env for threads"),
    ],
)
def test_a_worker_has_threads_for_what_it_runs_at_once(
    kernel: Kernel, options: str, openmp: int, openblas: int
) -> None:
    kernel.check(f"%snakepit start --workers 1 {options}")

    assert kernel.check(LIMITS).value == {"openmp": openmp, "openblas": at_most_cpus(openblas)}


def test_what_the_system_sets_survives_what_else_the_user_sets(kernel: Kernel) -> None:
    kernel.check("os.environ['OMP_NUM_THREADS'] = '5'")
    kernel.check("%snakepit start --workers 1 --env FOO=1")

    assert kernel.check(LIMITS).value == {"openmp": 5, "openblas": 1}
    assert kernel.check("%%snakepit_exec\nos.environ['FOO']").value == "1"


def test_what_the_user_sets_outdoes_what_the_system_sets(kernel: Kernel) -> None:
    kernel.check("os.environ['OMP_NUM_THREADS'] = '5'")
    kernel.check("%snakepit start --workers 1 --env OMP_NUM_THREADS=2")

    assert kernel.check(LIMITS).value["openmp"] == 2


def test_a_matrix_product_in_a_process_worker_uses_one_core(kernel: Kernel) -> None:
    kernel.check("%snakepit start --workers 1")

    assert kernel.check(PRODUCT).value <= 1.1


def at_most_cpus(threads: int) -> int:
    """OpenBLAS never starts more threads than there are processors."""
    return min(threads, CPUS or 1)
