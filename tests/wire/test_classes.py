"""Instances of classes: carried by their fields, built only where their class is imported."""

import enum
import sys
from collections import namedtuple
from dataclasses import InitVar, dataclass, field
from types import ModuleType
from typing import Any, NamedTuple

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snakepit_nb.errors import ValueEncodingError
from snakepit_nb.wire.values import decode_value, encode_value


class Colour(enum.Enum):
    RED = "r"
    BLUE = ("b", object())
    CRIMSON = "r"  # noqa: PIE796 (an alias)


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    HELLO = "hello"


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


Point = namedtuple("Point", ["x", "y"])  # noqa: PYI024 (the other way to make one)


class Pair(NamedTuple):
    left: object
    right: object = None


@dataclass
class Plain:
    a: object
    b: list[object] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    a: object
    later: object = field(init=False)
    seed: InitVar[int] = 0

    def __post_init__(self, seed: int) -> None:
        if seed != 7:
            raise AssertionError("built by running its code")
        object.__setattr__(self, "later", seed)


@dataclass
class Unset:
    never: int = field(init=False)


@dataclass
class Heavy(dict[str, int]):
    a: int = 0


class Model(pydantic.BaseModel):
    number: int
    inner: Plain | None = None
    name: str = pydantic.Field(default="n", alias="nick")
    _secret: object = None
    _never: int = pydantic.PrivateAttr()

    @pydantic.field_validator("number")
    @classmethod
    def reject_negative(cls, value: int) -> int:
        if value < 0:
            raise ValueError("validated")
        return value


class OpenModel(pydantic.BaseModel, extra="allow", frozen=True):
    kept: tuple[int, ...] = ()


class RootModel(pydantic.RootModel[list[int]]):
    pass


VALUES = st.recursive(
    st.integers() | st.text() | st.binary() | st.sampled_from([*Colour, *Level, *Word, *Mode]),
    lambda items: (
        st.builds(Plain, items, st.lists(items, max_size=2))
        | st.builds(Sealed, a=items, seed=st.just(7))
        | st.builds(Pair, items, items)
        | st.builds(Point, items, items)
        | st.dictionaries(st.text(), items, max_size=2).map(
            lambda extra: OpenModel(**{"x": 1, **extra})
        )
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(VALUES)
def test_an_instance_comes_back_with_its_class(value: object) -> None:
    answer = decode_value(encode_value(value))
    assert answer == value
    assert type(answer) is type(value)


@pytest.mark.parametrize("member", [Colour.RED, Colour.BLUE, Level.LOW, Word.HELLO, Mode.READ])
def test_enum_members_are_the_same_object(member: object) -> None:
    assert decode_value(encode_value({member: member})) == {member: member}
    assert decode_value(encode_value(member)) is member


@pytest.mark.parametrize("flags", [Mode(0), Mode.READ | Mode.WRITE])
def test_flags_in_any_combination_come_back(flags: Mode) -> None:
    assert decode_value(encode_value(flags)) is flags


def test_a_field_that_was_never_set_stays_so() -> None:
    assert not hasattr(decode_value(encode_value(Unset())), "never")


def test_a_model_comes_back_whole_and_without_validation() -> None:
    model = Model.model_construct({"number"}, number=-1, inner=Plain((1,)), name="x")
    model._secret = {1, 2}

    answer = decode_value(encode_value(model))

    assert answer == model
    assert type(answer.inner.a) is tuple
    assert (answer._secret, answer.model_fields_set) == ({1, 2}, {"number"})
    assert answer.model_dump_json() == model.model_dump_json()


def test_root_models_and_extra_fields_come_back() -> None:
    assert decode_value(encode_value(RootModel([1, 2]))) == RootModel([1, 2])
    model = OpenModel.model_validate({"kept": (1,), "$py": "tuple"})
    assert decode_value(encode_value(model)) == model


def test_classes_that_cannot_be_found_by_name_are_refused() -> None:
    @dataclass
    class Local:
        a: int

    with pytest.raises(ValueEncodingError, match=r"<locals>.Local`.*under its name"):
        encode_value(Local(1))


def test_what_would_lose_a_part_is_refused() -> None:
    with pytest.raises(ValueEncodingError, match="Heavy"):
        encode_value(Heavy())

    class Labelled(Point):
        pass

    labelled = Labelled(1, 2)
    vars(labelled)["label"] = "x"
    with pytest.raises(ValueEncodingError, match="attributes besides its fields"):
        encode_value(labelled)


def test_the_place_of_a_refused_field_is_told() -> None:
    with pytest.raises(ValueEncodingError, match=r"The value\[0\].b\[1\] is a `builtins.object`"):
        encode_value([Plain(1, [2, object()])])


@pytest.mark.parametrize("value", [Colour.RED, Point(1, 2), Plain(1), Model(number=1)])
def test_a_class_that_is_not_imported_here_is_named(
    value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = encode_value(value)
    monkeypatch.delitem(sys.modules, type(value).__module__)
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    with pytest.raises(
        ValueEncodingError, match=f"`{name}`, which is not known here: import it first"
    ):
        decode_value(encoded)


def test_no_code_of_a_module_runs_to_find_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    guest = ModuleType("guest")
    vars(guest)["__getattr__"] = pytest.fail
    monkeypatch.setitem(sys.modules, "guest", guest)
    with pytest.raises(ValueEncodingError, match="not known here"):
        decode_value(b'{"$py":"enum","class":"guest:Trap","name":"a"}')


HERE = __name__
HOSTILE: dict[str, dict[str, Any]] = {
    "function": {"$py": "dataclass", "class": "subprocess:run", "fields": {}},
    "class of another kind": {"$py": "dataclass", "class": "subprocess:Popen", "fields": {}},
    "enum as dataclass": {"$py": "dataclass", "class": f"{HERE}:Colour", "fields": {}},
    "dataclass as enum": {"$py": "enum", "class": f"{HERE}:Plain", "name": "a"},
    "dataclass as model": {"$py": "pydantic", "class": f"{HERE}:Plain", "fields": {}, "extra": {}},
    "tuple": {"$py": "namedtuple", "class": "builtins:tuple", "items": []},
    "module": {"$py": "enum", "class": "sys:modules", "name": "a"},
    "through an instance": {"$py": "enum", "class": f"{HERE}:HOSTILE.x", "name": "a"},
    "no module": {"$py": "enum", "class": ":", "name": "a"},
    "base model": {"$py": "pydantic", "class": "pydantic.main:BaseModel", "fields": {"a": 1},
                   "extra": {}, "private": {}, "set": []},
    "no member": {"$py": "enum", "class": f"{HERE}:Colour", "name": "mro"},
    "value of an enum": {"$py": "enum", "class": f"{HERE}:Colour", "flags": 1},
    "strange flags": {"$py": "enum", "class": f"{HERE}:Mode", "flags": 64},
    "unknown field": {"$py": "dataclass", "class": f"{HERE}:Plain", "fields": {"__class__": 1}},
    "few items": {"$py": "namedtuple", "class": f"{HERE}:Point", "items": [1]},
    "extra": {"$py": "pydantic", "class": f"{HERE}:Model", "fields": {}, "extra": {"a": 1},
              "private": {}, "set": []},
    "private": {"$py": "pydantic", "class": f"{HERE}:Model", "fields": {}, "extra": {},
                "private": {"__class__": 1}, "set": []},
}  # fmt: skip


@pytest.mark.parametrize("head", HOSTILE.values(), ids=HOSTILE)
def test_hostile_classes_are_refused(head: dict[str, Any]) -> None:
    tagged = {key: value for key, value in head.items() if key != "$py"}
    text = encode_value(tagged).replace(b"{", b'{"$py":"' + head["$py"].encode() + b'",', 1)
    with pytest.raises(ValueEncodingError):
        decode_value(text)
