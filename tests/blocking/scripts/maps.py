"""A script that sends its own functions and classes to workers."""

# ruff: noqa: T201 (what it prints is what is tested)

from dataclasses import dataclass

import snakepit_nb as snakepit


@dataclass
class Point:
    x: int
    y: int


def square(number: int) -> int:
    return number**2


def turned(point: Point) -> Point:
    if not isinstance(point, Point):
        raise ValueError("not a point")  # noqa: TRY004 (that is what it is about)
    return Point(point.y, point.x)


with snakepit.start(workers=1) as pool:
    print(list(pool.map(square, [1, 2, 3])))
    print(pool.submit(turned, Point(1, 2)).result())
    try:
        pool.submit(turned, 1).result()  # type: ignore[arg-type]
    except ValueError as error:
        print("ValueError", error)
