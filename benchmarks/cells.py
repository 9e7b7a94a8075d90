"""What a cell in a worker costs, against the plain kernel's own cell in the same run.

Usage: python benchmarks/cells.py
"""

import statistics

from bench_kernel import Kernel, open_kernel

MAGIC = "%%snakepit_exec\n"
LINES = 10_000
ADAPTER = """
from pathlib import Path
from snakepit_nb.worker import Adapter, tool
class Adapted(Adapter):
    @tool
    def pss(self) -> int:
        text = Path("/proc/self/smaps_rollup").read_text()
        return int(text.split("Pss:")[1].split()[0])
"""
# What a cell cannot do without: a thread for the event loop, and gRPC to another process and back.
BARE_ECHO = """
import subprocess, sys, tempfile
import anyio.from_thread, grpc.aio
address = "unix:" + tempfile.mktemp()
server = subprocess.Popen([sys.executable, "-c", '''
import asyncio, sys
import grpc, grpc.aio
class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        async def answer(request, context):
            return request
        return grpc.unary_unary_rpc_method_handler(answer)
async def main():
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Echo(),))
    server.add_insecure_port(sys.argv[1])
    await server.start()
    print(flush=True)
    await server.wait_for_termination()
asyncio.run(main())
''', address], stdout=subprocess.PIPE)
_ = server.stdout.readline()
scope = anyio.from_thread.start_blocking_portal()
portal = scope.__enter__()
async def connect():
    return grpc.aio.insecure_channel(address)
channel = portal.call(connect)
async def echo():
    return await channel.unary_unary("/bare/echo")(b"")
"""
PSS = """
from pathlib import Path
int(Path("/proc/self/smaps_rollup").read_text().split("Pss:")[1].split()[0])
"""


def measure() -> dict[str, float]:
    """Returns every figure, by name."""
    figures: dict[str, float] = {}
    with open_kernel() as kernel:
        kernel.run("%load_ext snakepit_nb")
        kernel.run(ADAPTER)
        started = kernel.run("%snakepit start --workers 2 --adapter Adapted")
        figures["start of 2 workers, s"] = started.seconds
        figures["worker that serves tools, PSS MB"] = kb(kernel.run("%snakepit call pss").value)
        figures["first cell, ms"] = 1000 * kernel.run(f"{MAGIC}pass").seconds
        figures["worker that has run a cell, PSS MB"] = kb(kernel.run(MAGIC + PSS).value)
        figures |= no_op_cells(kernel)
        figures |= printed_lines(kernel)
        kernel.run("%snakepit stop")
    return figures


def no_op_cells(kernel: Kernel, rounds: int = 200) -> dict[str, float]:
    """Times cells that do nothing, by turns: in the kernel, in a worker, and the least there is."""
    kernel.run(BARE_ECHO)
    codes = {
        "kernel": "pass",
        "worker": f"{MAGIC}pass",
        "magic": "%%capture\npass",
        "echo": "_ = portal.call(echo)",
    }
    times: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(rounds):
        for name, code in codes.items():
            times[name].append(1000 * kernel.run(code).seconds)
    kernel.run("server.kill(); _ = server.wait()")
    medians = {name: statistics.median(spent) for name, spent in times.items()}
    return {
        "no-op cell of the kernel, median ms": medians["kernel"],
        "no-op cell in a worker, median ms": medians["worker"],
        "no-op cell in a worker, p99 ms": statistics.quantiles(times["worker"], n=100)[98],
        "overhead of a cell, median ms": medians["worker"] - medians["kernel"],
        "  of which any cell magic, median ms": medians["magic"] - medians["kernel"],
        "  of which a bare gRPC echo, median ms": medians["echo"] - medians["kernel"],
    }


def printed_lines(kernel: Kernel) -> dict[str, float]:
    """Times many lines that are printed and flushed one by one; all must come, in order."""
    code = f"for number in range({LINES}): print('line', number, flush=True)"
    expected = "".join(f"line {number}\n" for number in range(LINES))
    in_worker, in_kernel = kernel.run(MAGIC + code), kernel.run(code)
    if in_worker.text != expected:
        raise AssertionError("lines were lost or moved")
    return {
        f"{LINES} flushed lines in a worker, s": in_worker.seconds,
        f"{LINES} flushed lines in a worker, iopub MB": in_worker.iopub_bytes / 1e6,
        f"{LINES} flushed lines in the kernel, s": in_kernel.seconds,
        f"{LINES} flushed lines in the kernel, iopub MB": in_kernel.iopub_bytes / 1e6,
    }


def kb(text: str) -> float:
    """Reads kB as MB."""
    return int(text) * 1024 / 1e6


if __name__ == "__main__":
    for name, figure in measure().items():
        print(f"{name:<48} {figure:10.2f}")
