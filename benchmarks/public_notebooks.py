"""How many cells of notebooks show in a worker what they show in the kernel itself.

    python benchmarks/public_notebooks.py FOLDER_OR_NOTEBOOK...

Each notebook runs in two plain kernels and in one whose cells all go to a worker. Cells that show
in one plain kernel what they do not show in the other are not deterministic and do not count.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.end_to_end import kernel_driver
from tests.end_to_end.corpus.cases import Case, Step
from tests.end_to_end.corpus.side import Side

Shown = list[dict[str, Any] | None]
"""What each cell showed; None: it did not come to an end."""


def main(places: list[str]) -> None:
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp()
    kernel_driver.BOUND = 300.0
    equal = counted = 0
    for path in sorted(_notebooks(places)):
        cells = list(_code(path))
        first, second = (run(path, cells, in_worker=False) for _ in range(2))
        in_worker = run(path, cells, in_worker=True)
        fixed = [n for n, told in enumerate(first) if told is not None and told == second[n]]
        differing = [n for n in fixed if in_worker[n] != first[n]]
        equal, counted = equal + len(fixed) - len(differing), counted + len(fixed)
        print(f"{path.name}: {len(fixed) - len(differing)}/{len(fixed)} of {len(cells)} cells")
        for number in differing:
            print(f"  {cells[number]!r}\n    kernel {first[number]!s:.500}")
            print(f"    worker {in_worker[number]!s:.500}", flush=True)
    print(f"{equal} of {counted} deterministic cells are equal: {equal / max(counted, 1):.1%}")


def run(path: Path, cells: list[str], *, in_worker: bool) -> Shown:
    """Runs a notebook's cells beside a copy of its folder's files."""
    directory = Path(tempfile.mkdtemp()) / "here"
    shutil.copytree(path.parent, directory, ignore=shutil.ignore_patterns("*.ipynb"))
    shown: Shown = []
    with kernel_driver.open_kernel(directory) as kernel:
        kernel.check("%load_ext snakepit_nb\n%snakepit start --workers 1" if in_worker else "pass")
        side = Side(kernel, directory, first_line="%%snakepit_exec\n" if in_worker else "")
        for number, code in enumerate(cells):
            step = Step(code=code, allow_stdin=False)
            try:
                shown += side.run_steps(Case(theme=path.stem, title=str(number), steps=(step,)))
            except Empty:
                return [*shown, *[None] * (len(cells) - len(shown))]
    return shown


def _notebooks(places: list[str]) -> Iterator[Path]:
    for place in map(Path, places):
        yield from place.rglob("*.ipynb") if place.is_dir() else (place,)


def _code(path: Path) -> Iterator[str]:
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code" and "".join(cell["source"]).strip():
            yield "".join(cell["source"])


if __name__ == "__main__":
    main(sys.argv[1:])
