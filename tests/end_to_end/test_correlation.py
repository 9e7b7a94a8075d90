"""One correlation id leads from the cell to the worker's log and back."""

import re
from collections.abc import Iterator

import pytest

from .kernel_driver import Kernel

pytestmark = [pytest.mark.process, pytest.mark.timeout(120)]

ID = re.compile(r"sp-[0-9a-f]{24}")

TRACED = """
import logging
from snakepit_nb.worker import Adapter, current_call, tool

class Records(logging.Handler):
    def __init__(self):
        super().__init__()
        self.ids = []

    def emit(self, record):
        self.ids.append(record.correlation_id)

records = Records()
logging.getLogger("traced").addHandler(records)

class Traced(Adapter):
    @tool
    def seen(self) -> list:
        logging.getLogger("traced").warning("called")
        mirror = self.context.metadata["correlation_id"]
        return [current_call().correlation_id, mirror, records.ids.pop()]

    @tool
    def given(self, **arguments) -> dict:
        return arguments

    @tool
    def fail(self) -> None:
        raise ValueError("bad")

    @tool
    def stream(self):
        for _ in range(2):
            yield current_call().correlation_id
"""


@pytest.fixture(scope="module")
def kernel(bridged: Kernel) -> Iterator[Kernel]:
    bridged.check(f"from pathlib import Path\nPath('traced.py').write_text({TRACED!r});")
    bridged.check("%snakepit start --workers 2 --adapter traced:Traced\nimport snakepit_nb as s")
    yield bridged
    bridged.check("%snakepit stop --now")


def test_all_calls_of_one_cell_share_its_id_and_the_next_cell_has_another(kernel: Kernel) -> None:
    cell = "s.pool().call('seen') + s.pool().call('seen') + list(s.pool().stream('stream'))"

    first, second = set(kernel.check(cell).value), set(kernel.check(cell).value)

    assert len(first) == len(second) == 1
    assert first != second
    assert all(ID.fullmatch(found) for found in first | second)


def test_the_status_and_an_error_show_the_id_of_the_call(kernel: Kernel) -> None:
    ran = kernel.run("%snakepit call fail")
    status = kernel.check("%snakepit status").content("execute_result")["data"]

    (found,) = set(ID.findall(ran.text))
    assert ran.reply["ename"] == "RemoteValueError"
    assert found in status["text/plain"]
    assert found in status["text/html"]


def test_a_cell_in_a_worker_sees_its_id_in_code_and_in_log_records(kernel: Kernel) -> None:
    ran = kernel.check(
        "%%snakepit_exec --correlation-id mine-1\n"
        "import logging\n"
        "from snakepit_nb.worker import current_call\n"
        "logger = logging.getLogger('cell')\n"
        "handler = logging.StreamHandler()\n"
        "handler.setFormatter(logging.Formatter('%(correlation_id)s %(message)s'))\n"
        "logger.addHandler(handler)\n"
        "logger.warning('told')\n"
        "current_call().correlation_id"
    )

    assert ran.text == "mine-1 told\n"
    assert ran.value == "mine-1"
    assert (
        "mine-1" in kernel.check("%snakepit status").content("execute_result")["data"]["text/plain"]
    )


def test_an_id_among_the_arguments_names_the_call_and_is_taken_out(kernel: Kernel) -> None:
    value = kernel.check(
        "s.pool().call('seen', correlation_id='mine-2'), "
        "s.pool().call('seen', {'correlation_id': 'mine-3'})"
    ).value

    assert [set(seen) for seen in value] == [{"mine-2"}, {"mine-3"}]


def test_a_magic_call_takes_an_id_among_its_arguments(kernel: Kernel) -> None:
    assert set(kernel.check("%snakepit call seen correlation_id='mine-4'").value) == {"mine-4"}


def test_calls_within_a_correlation_share_the_given_id(kernel: Kernel) -> None:
    value = kernel.check("with s.correlation('mine-5'): seen = s.pool().call('seen')\nseen").value

    assert set(value) == {"mine-5"}
