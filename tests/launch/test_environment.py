import pytest

from snakepit_nb.launch import environment, guardian
from snakepit_nb.launch.environment import FORCED, thread_limits, worker_environment


@pytest.mark.parametrize(
    ("inherited", "user", "expected"),
    [
        ({}, {}, "1"),
        ({"OMP_NUM_THREADS": "8"}, {}, "8"),
        ({"OMP_NUM_THREADS": "8"}, {"OMP_NUM_THREADS": "3"}, "3"),
        ({}, {"OMP_NUM_THREADS": "3"}, "3"),
    ],
)
def test_a_thread_limit_is_only_a_default(
    inherited: dict[str, str], user: dict[str, str], expected: str
) -> None:
    made = worker_environment(inherited=inherited, limits=thread_limits(1), user=user, forced={})

    assert made["OMP_NUM_THREADS"] == expected
    assert made["OPENBLAS_NUM_THREADS"] == "1"


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize(
    "name",
    [
        "BLIS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ],
)
def test_libraries_may_use_as_many_threads_as_the_worker_has(name: str, threads: int) -> None:
    made = worker_environment(inherited={}, limits=thread_limits(threads), user={}, forced={})

    assert made[name] == str(threads)


@pytest.mark.parametrize(
    "name",
    [
        "JPY_API_TOKEN",
        "JPY_PARENT_PID",
        "JUPYTERHUB_API_TOKEN",
        "JUPYTERHUB_CRYPT_KEY",
        "JUPYTERHUB_COOKIE_SECRET",
        "JUPYTER_TOKEN",
        "JUPYTER_GATEWAY_HTTP_PWD",
        "CONFIGPROXY_AUTH_TOKEN",
        "KG_AUTH_TOKEN",
    ],
)
def test_what_the_server_gave_to_the_kernel_alone_is_removed(name: str) -> None:
    assert worker_environment(inherited={name: "x"}, limits={}, user={}, forced={}) == {}


@pytest.mark.parametrize(
    "name", ["PATH", "PYTHONPATH", "JUPYTERHUB_USER", "JUPYTER_CONFIG_DIR", "HF_TOKEN", "PWD"]
)
def test_what_user_code_may_need_is_kept(name: str) -> None:
    made = worker_environment(inherited={name: "x"}, limits={}, user={}, forced={})

    assert made == {name: "x"}


def test_what_is_forced_outdoes_the_user() -> None:
    user = {"GRPC_ENABLE_FORK_SUPPORT": "1", "GRPC_VERBOSITY": "DEBUG"}

    made = worker_environment(inherited={}, limits={}, user=user, forced=FORCED)

    assert made == {"GRPC_ENABLE_FORK_SUPPORT": "0", "GRPC_VERBOSITY": "DEBUG"}


def test_the_guardian_reads_the_mark_that_the_launcher_writes() -> None:
    assert guardian.WORKER_ID_VARIABLE == environment.WORKER_ID_VARIABLE
