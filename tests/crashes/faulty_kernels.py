"""Kernels in processes of their own, to be stopped and killed."""

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from .scenes import BOUND, ROOT, in_thread


class Kernel:
    """One kernel, which has no pool until it is told a phase."""

    def __init__(self) -> None:
        self._place = tempfile.TemporaryDirectory(prefix="kernel", ignore_cleanup_errors=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.crashes.fault_kernel", self._place.name],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, line: str) -> dict[str, Any]:
        """Tells it a phase, or to go on, and returns what it answers."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer = in_thread(self.process.stdout.readline).result(BOUND)
        assert isinstance(answer, str)
        assert answer, f"the kernel ended when it was told {line!r}"
        told: dict[str, Any] = json.loads(answer)
        return told

    def close(self) -> int:
        """Lets it end in good order, and returns its exit code."""
        self.process.communicate(timeout=BOUND)
        self._place.cleanup()
        return self.process.returncode

    def kill(self) -> None:
        self.process.kill()
        self.close()


class Kernels:
    """One kernel for all who leave it as it was, and new ones, made in advance, for the others."""

    def __init__(self) -> None:
        self.lasting = Kernel()
        self._next = Kernel()

    def new(self) -> Kernel:
        taken, self._next = self._next, Kernel()
        return taken

    def close(self) -> None:
        codes = [self.lasting.close(), self._next.close()]
        assert codes == [0, 0]
