import json
from collections.abc import Mapping

import matplotlib.pyplot as plt
import pytest
from PIL import Image

from snakepit_nb.errors import ValueEncodingError
from snakepit_nb.wire.carriers import TAG
from snakepit_nb.wire.frames import join_frame
from snakepit_nb.wire.pictures import PNG, Picture, drawn
from snakepit_nb.wire.values import decode_value, encode_value

MODES = ("1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F", "I;16")


@pytest.mark.parametrize("mode", MODES)
def test_an_image_arrives_pixel_by_pixel(mode: str) -> None:
    gradient = Image.linear_gradient("L").resize((19, 7))
    sent = Image.new(mode, (19, 7), 300) if mode == "I;16" else gradient.convert(mode)

    got = decode_value(encode_value({"image": sent}))["image"]

    assert (got.mode, got.size, got.tobytes()) == (sent.mode, sent.size, sent.tobytes())
    assert got.convert("RGBA").tobytes() == sent.convert("RGBA").tobytes()


def test_an_empty_image_arrives() -> None:
    assert decode_value(encode_value(Image.new("RGB", (0, 3)))).size == (0, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "no such"},
        {"mode": 7},
        {"size": [100_000, 100_000]},
        {"size": [-1, -1]},
        {"size": [True, 1]},
        {"size": "big"},
        {"data": 7},
    ],
    ids=str,
)
def test_an_image_that_is_not_what_it_says_is_refused(change: Mapping[str, object]) -> None:
    fields = {TAG: "PIL.Image", "mode": "L", "size": [1, 1], "palette": None, "data": 0}
    data = _written({**fields, **change}, b"\0")

    with pytest.raises(ValueEncodingError):
        decode_value(data)


def test_a_figure_arrives_as_what_it_looked_like_when_it_was_yielded() -> None:
    figure, axes = plt.subplots(figsize=(2, 1))
    alone, field = drawn(figure), drawn({"step": 1, "figure": figure})
    axes.plot([1, 2, 3])
    later = drawn(figure)
    plt.close(figure)

    got = decode_value(encode_value(field))
    assert got == {"step": 1, "figure": alone}
    assert got["figure"]._repr_png_().startswith(PNG)
    assert later != alone


def test_a_figure_that_is_no_chunk_is_not_carried() -> None:
    figure = plt.figure()
    plt.close(figure)

    with pytest.raises(ValueEncodingError, match="Figure"):
        encode_value(figure)


@pytest.mark.parametrize("value", [3, {"a": 1}, "text", None], ids=str)
def test_what_is_no_figure_stays_as_it_is(value: object) -> None:
    assert drawn(value) is value


def test_a_picture_that_is_no_png_is_refused() -> None:
    with pytest.raises(ValueEncodingError):
        decode_value(_written({TAG: "picture", "png": 0}, b"<svg>"))


def test_a_picture_is_carried_and_says_what_it_is() -> None:
    picture = Picture(PNG + b"...")

    assert decode_value(encode_value(picture)) == picture
    assert repr(picture) == "<Picture, 11 bytes>"


def _written(fields: Mapping[str, object], buffer: bytes) -> bytes:

    return join_frame(json.dumps(fields).encode(), [buffer])
