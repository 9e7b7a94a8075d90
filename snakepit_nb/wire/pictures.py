"""Carriers for pictures: Pillow's images, pixel by pixel, and what a figure looked like.

A figure of matplotlib itself is a web of objects that only a pickle could carry.
"""

import sys
from dataclasses import dataclass
from io import BytesIO

from snakepit_nb.errors import ValueEncodingError

from .carriers import Carrier, Fields, Foreign, NotCarriedError, Packer, load_package, read_field
from .frames import Buffers

PNG = b"\x89PNG\r\n\x1a\n"

_BYTES_OF_PIXEL = {
    **dict.fromkeys(("L", "P"), 1),
    **dict.fromkeys(("LA", "PA", "La", "I;16"), 2),
    **dict.fromkeys(("RGB", "YCbCr", "LAB", "HSV"), 3),
    **dict.fromkeys(("RGBA", "RGBX", "RGBa", "CMYK", "I", "F"), 4),
}


@dataclass(frozen=True, slots=True)
class Picture:
    """What a figure looked like when it was sent. A notebook shows it."""

    png: bytes

    def __repr__(self) -> str:
        return f"<Picture, {len(self.png):,} bytes>"

    def _repr_png_(self) -> bytes:
        return self.png


def find_image_carrier(kind: type) -> Carrier | None:
    """Gives the carrier for a type of Pillow's."""
    return _IMAGE if issubclass(kind, load_package("PIL.Image").Image) else None


def drawn(value: object) -> object:
    """Puts a picture in the place of a figure of matplotlib, alone or as a field of a dictionary.

    For what a tool yields while it goes on with the same figure.
    """
    kind = getattr(sys.modules.get("matplotlib.figure"), "Figure", None)
    if kind is None:
        return value
    if isinstance(value, kind):
        return _picture_of(value)
    if isinstance(value, dict) and any(isinstance(item, kind) for item in value.values()):
        return {
            key: _picture_of(item) if isinstance(item, kind) else item
            for key, item in value.items()
        }
    return value


def _picture_of(figure: Foreign) -> Picture:
    file = BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    return Picture(file.getvalue())


def _pack_image(image: Foreign, packer: Packer) -> dict[str, object]:
    if image.mode not in _BYTES_OF_PIXEL and image.mode != "1":
        raise NotCarriedError(f"is an image of mode {image.mode!r}, which is not carried")
    palette = image.getpalette("RGBA") if image.mode in {"P", "PA"} else None
    return {
        "mode": image.mode,
        "size": list(image.size),
        "palette": None if palette is None else packer.add_buffer(bytes(palette)),
        "data": packer.add_buffer(image.tobytes()),
    }


def _unpack_image(fields: Fields, buffers: Buffers) -> object:
    mode, size = read_field(fields, "mode", str), read_field(fields, "size", list)
    data = buffers.take_bytes(fields.get("data"))
    if len(size) != 2 or any(type(length) is not int or length < 0 for length in size):
        raise ValueEncodingError("The bytes are malformed: an image has no size.")
    if len(data) != _length(mode, *size):  # looked at first: Pillow would take all that memory
        raise ValueEncodingError("The bytes are malformed: an image has other pixels than it says.")
    pillow = load_package("PIL.Image")
    image = pillow.frombytes(mode, tuple(size), data) if data else pillow.new(mode, tuple(size))
    if fields.get("palette") is not None:
        image.putpalette(buffers.take_bytes(fields.get("palette")), "RGBA")
    return image


def _length(mode: str, width: int, height: int) -> int:
    if mode == "1":
        return (width + 7) // 8 * height
    return _BYTES_OF_PIXEL.get(mode, 0) * width * height


def _pack_picture(picture: Picture, packer: Packer) -> dict[str, object]:
    return {"png": packer.add_buffer(picture.png)}


def _unpack_picture(fields: Fields, buffers: Buffers) -> object:
    png = buffers.take_bytes(fields.get("png"))
    if not png.startswith(PNG):
        raise ValueEncodingError("The bytes are malformed: a picture is no PNG.")
    return Picture(png)


_IMAGE = Carrier(tag="PIL.Image", pack=_pack_image, unpack=_unpack_image)
_PICTURE = Carrier(tag="picture", pack=_pack_picture, unpack=_unpack_picture)
PICTURE_CARRIERS = (_IMAGE, _PICTURE)
CARRIER_OF_PICTURE: dict[type, Carrier] = {Picture: _PICTURE}
