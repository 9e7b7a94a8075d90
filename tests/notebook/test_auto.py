"""Which cells stay in the kernel while `%snakepit auto` is on."""

import pytest

from snakepit_nb.notebook.auto import is_of_the_kernel


@pytest.mark.parametrize(
    "code",
    [
        "%snakepit status",
        "x = 1\n%snakepit stop",
        "if True:\n    %snakepit list",
        "found = %snakepit call count text='a'",
        "a, b = %snakepit call two",
        "%snakepit?",
        "?%snakepit",
        "%%snakepit_exec?",
        "%%snakepit_exec -s other\nx",
        "%%snakepit_exec --local\nx",
        "%snakepit_exec x",
        "%%time\n%snakepit call slow",
        "%load_ext snakepit_nb",
        "%reload_ext  snakepit_nb",
        "%config SnakepitMagics.workers = 4",
        "%connect_info",
        "%subshell",
    ],
)
def test_a_cell_with_a_line_of_ours_or_about_the_kernel_stays_there(code: str) -> None:
    assert is_of_the_kernel(code)


@pytest.mark.parametrize(
    "code",
    [
        "",
        "x = 1",
        "print('%snakepit status')",
        "# the line %snakepit status",
        "%snakepit_of_others",
        "x = 7 %snakepit",
        "%load_ext autoreload",
        "%load_ext snakepit_nb_of_others",
        "%config InlineBackend.figure_format = 'svg'",
        "%%time\nx",
        "import snakepit_nb",
    ],
)
def test_any_other_cell_goes_to_a_worker(code: str) -> None:
    assert not is_of_the_kernel(code)
