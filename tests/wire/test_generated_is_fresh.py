import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
GENERATED = Path("snakepit_nb", "wire", "generated")


def modules_below(root: Path) -> dict[str, str]:
    return {
        path.name: path.read_text(encoding="utf-8")
        for path in (root / GENERATED).glob("snakepit_*.py*")
    }


def test_the_generated_modules_are_what_the_protos_give(tmp_path: Path) -> None:
    script = ROOT / "proto" / "generate.py"

    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True)

    assert len(modules_below(tmp_path)) == 8
    assert modules_below(tmp_path) == modules_below(ROOT)
