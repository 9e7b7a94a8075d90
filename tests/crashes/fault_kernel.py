"""A kernel that brings its pools into the phases that it is told, and waits there to have a fault.

`python -m tests.crashes.fault_kernel PLACE` reads lines: a phase, then whatever means that it shall
go on. To each it answers with a line of JSON.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from .scenes import KIND_FOR, Pools, Scene, check_whole


def main(scratch: Path) -> None:
    pools = Pools(scratch)
    for line in sys.stdin:
        phase = line.strip()
        pool, place = pools.get(KIND_FOR.get(phase, "plain"))
        scene = Scene(pool=pool, place=place)
        scene.reach(phase)
        answer({"kernel": os.getpid(), "guardian": scene.guardian, "worker": scene.target})
        next(sys.stdin)
        errors = scene.finish()
        if pool.is_running:
            check_whole(pool)
        answer({name: error and repr(error) for name, error in errors.items()})
    pools.close()


def answer(values: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
