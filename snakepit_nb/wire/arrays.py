"""Carriers for numpy's arrays and scalars. numpy is loaded only where such a value is met."""

import math
import re

from snakepit_nb.errors import ValueEncodingError

from .carriers import (
    Carrier,
    Fields,
    Foreign,
    NotCarriedError,
    Packer,
    load_package,
    place_in_list,
    read_field,
)
from .frames import Buffers

_DTYPE_TEXT = re.compile(r"[<>|=]?[?biufcmMSUV]\d{0,10}(\[\d{0,10}[A-Za-zµμ]{1,7}(/\d{1,10})?\])?")
_PYTHON_KINDS = "biufcSU"
"""The kinds of scalars that a Python value holds exactly."""


def find_array_carrier(kind: type) -> Carrier | None:
    """Gives the carrier for a type of numpy's."""
    numpy = load_package("numpy")
    if kind is numpy.ndarray:
        return _ARRAY
    if issubclass(kind, numpy.generic) and kind not in {numpy.object_, numpy.record}:
        return _SCALAR
    return None


def _pack_array(array: Foreign, packer: Packer) -> dict[str, object]:
    shape = list(array.shape)
    if array.dtype.char == "O":
        return {"shape": shape, "items": packer.pack_all(array.flat, place_in_list)}
    dtype = _pack_dtype(array.dtype)
    is_fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    flat = load_package("numpy").ascontiguousarray(array.T if is_fortran else array).reshape(-1)
    number = packer.add_buffer(flat.view("u1").data if array.size else b"")
    return {"dtype": dtype, "shape": shape, "order": "F" if is_fortran else "C", "buffer": number}


def _unpack_array(fields: Fields, buffers: Buffers) -> object:
    shape = read_field(fields, "shape", list)
    if not all(type(length) is int and length >= 0 for length in shape):
        raise ValueEncodingError("The bytes are malformed: an array has no such shape.")
    if "items" in fields:
        return _unpack_objects(read_field(fields, "items", list), shape)
    dtype = _unpack_dtype(fields.get("dtype"))
    number = fields.get("buffer")
    size = buffers.size(number)
    if math.prod(shape) * dtype.itemsize != size:
        raise ValueEncodingError("The bytes are malformed: an array's buffer has another size.")
    if (order := fields.get("order")) not in {"C", "F"}:
        raise ValueEncodingError("The bytes are malformed: an array has no such order.")
    array = load_package("numpy").empty(shape, dtype, order=order)  # it owns its memory
    items = array.reshape(-1, order=order)
    buffers.take_into(number, items.view("u1").data if size else memoryview(bytearray()))
    return array


def _unpack_objects(items: list[object], shape: list[int]) -> object:
    if math.prod(shape) != len(items):
        raise ValueEncodingError("The bytes are malformed: an array has another number of items.")
    array = load_package("numpy").empty(len(items), dtype=object)
    for number, item in enumerate(items):
        array[number] = item  # one by one: numpy would take lists for further dimensions
    return array.reshape(shape)


def _pack_scalar(scalar: Foreign, packer: Packer) -> dict[str, object]:
    dtype = scalar.dtype
    if dtype.kind in _PYTHON_KINDS and dtype.char not in "gG":
        # numpy's own way to a Python text or bytes would drop its trailing zeros
        value: object
        match dtype.kind:
            case "S":
                value = bytes(scalar)
            case "U":
                value = "".join(scalar)
            case _:
                value = scalar.item()
        return {"dtype": dtype.str, **packer.pack_named({"value": value})}
    return packer.pack_named({"array": load_package("numpy").asarray(scalar)})


def _unpack_scalar(fields: Fields, _: Buffers) -> object:
    numpy = load_package("numpy")
    if "array" in fields:
        array = read_field(fields, "array", numpy.ndarray)
        if array.ndim or array.dtype.hasobject:
            raise ValueEncodingError("The bytes are malformed: a scalar has one value.")
        return array[()]
    dtype = _read_dtype(read_field(fields, "dtype", str))
    if dtype.kind not in _PYTHON_KINDS:
        raise ValueEncodingError("The bytes are malformed: a scalar has no such dtype.")
    kind = type(numpy.zeros((), f"{dtype.kind}1" if dtype.kind in "SU" else dtype).item())
    return dtype.type(read_field(fields, "value", kind))


def _pack_dtype(dtype: Foreign) -> object:
    if dtype.hasobject:
        raise NotCarriedError(f"is a numpy array of dtype {dtype!s:.60}, which is not carried")
    if dtype.itemsize == 0:
        raise NotCarriedError("is a numpy array whose items have no bytes, which is not carried")
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return {"base": _pack_dtype(base), "shape": list(shape)}
    if dtype.names is None:
        return dtype.str
    parts = [dtype.fields[name] for name in dtype.names]
    return {
        "names": list(dtype.names),
        "titles": [part[2] if len(part) > 2 else None for part in parts],
        "formats": [_pack_dtype(part[0]) for part in parts],
        "offsets": [part[1] for part in parts],
        "itemsize": dtype.itemsize,
        "aligned": dtype.isalignedstruct,
    }


def _unpack_dtype(packed: object) -> Foreign:
    numpy = load_package("numpy")
    if isinstance(packed, str):
        dtype = _read_dtype(packed)
    elif isinstance(packed, dict) and "base" in packed:
        dtype = numpy.dtype(
            (_unpack_dtype(packed["base"]), tuple(read_field(packed, "shape", list)))
        )
    elif isinstance(packed, dict):
        lists = {name: read_field(packed, name, list) for name in ("names", "titles", "offsets")}
        formats = [_unpack_dtype(part) for part in read_field(packed, "formats", list)]
        itemsize, align = read_field(packed, "itemsize", int), read_field(packed, "aligned", bool)
        dtype = numpy.dtype({**lists, "formats": formats, "itemsize": itemsize}, align=align)
    else:
        raise ValueEncodingError(f"The bytes are malformed: there is no dtype {packed!r:.60}.")
    if dtype.hasobject or dtype.itemsize == 0:
        raise ValueEncodingError("The bytes are malformed: an array's items are not plain bytes.")
    return dtype


def _read_dtype(text: str) -> Foreign:
    if not _DTYPE_TEXT.fullmatch(text):  # else numpy would read a whole language of them
        raise ValueEncodingError(f"The bytes are malformed: there is no dtype {text!r:.60}.")
    return load_package("numpy").dtype(text)


_ARRAY = Carrier(tag="numpy.ndarray", pack=_pack_array, unpack=_unpack_array)
_SCALAR = Carrier(tag="numpy.scalar", pack=_pack_scalar, unpack=_unpack_scalar)
ARRAY_CARRIERS = (_ARRAY, _SCALAR)
