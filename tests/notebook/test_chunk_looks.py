import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from snakepit_nb.notebook.widgets.chunk_looks import LARGEST_PICTURE, brief, look_of

TABLE = pd.DataFrame({"city": ["Oslo", "<b>Lima"], "people": [0.7, 10.9]})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        ({"a": 1}, "{a: 1}"),
        ("token", "token"),
        (np.zeros((2, 3)), "ndarray 2 x 3"),
        (np.float64(0.5), "0.5"),
        (TABLE, "DataFrame 2 x 2"),
        (Image.new("RGB", (64, 32)), "Image 64 x 32"),
        (Figure(), "<Figure>"),
        (b"\x89PNG\r\n\x1a\n123", "PNG, 11 bytes"),
        (b"abc", "<3 bytes>"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_a_value_is_fits_into_a_cell_of_a_table(value: object, text: str) -> None:
    assert brief(value) == text


@pytest.mark.parametrize(
    "value",
    [Image.new("RGB", (3000, 20), "red"), Image.new("L", (8, 8)), Figure(figsize=(2, 1))],
    ids=["wide", "grey", "figure"],
)
def test_pictures_are_shown_as_pictures(value: object) -> None:
    assert 'src="data:image/png;base64,' in look_of(value).block


def test_bytes_of_a_picture_are_shown_as_the_picture() -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, format="JPEG")

    assert 'src="data:image/jpeg;base64,' in look_of(file.getvalue()).block


def test_a_picture_too_large_to_be_sent_again_and_again_is_told_in_words() -> None:
    look = look_of(b"\x89PNG\r\n\x1a\n" + bytes(LARGEST_PICTURE))

    assert "<img" not in look.block
    assert "too large" in look.block


def test_a_table_is_shown_as_a_table() -> None:
    look = look_of(pd.concat([TABLE] * 10))

    assert ">Oslo</td>" in look.block
    assert "&lt;b&gt;Lima" in look.block
    assert "… and 14 more rows" in look.block


def test_a_long_text_is_shown_with_its_lines() -> None:
    assert "one\n&lt;two&gt;" in look_of("one\n<two>").block


def test_what_cannot_be_drawn_is_told_in_words() -> None:
    class Broken:
        def _repr_png_(self) -> bytes:
            raise ValueError

        def __str__(self) -> str:
            return "broken"

    look = look_of(Broken())

    assert (look.text, look.block) == ("broken", "")


def test_what_cannot_even_be_written_is_told_by_its_type() -> None:
    class Silent:
        def __str__(self) -> str:
            raise ValueError

    assert brief(Silent()) == "<Silent>"
    assert look_of({"inner": Silent()}).text == "<dict>"
