import math
from itertools import pairwise

import pytest

from snakepit_nb.blocking.short_text import short_value
from snakepit_nb.blocking.stream_lines import MOST_VALUES
from snakepit_nb.notebook.widgets.sparkline import WIDTH, sparkline
from snakepit_nb.notebook.widgets.stream_record import (
    KEPT_CHUNKS,
    MOST_COLUMNS,
    MOST_SAMPLES,
    StreamRecord,
)
from snakepit_nb.notebook.widgets.view_model import Look, Row


def test_a_chunk_brings_its_progress_and_its_values() -> None:
    record = _record({"progress": 0.5, "epoch": 3, "accuracy": 0.91})

    assert (record.chunks, record.fraction) == (1, 0.5)
    assert _values(record) == {"epoch": "3", "accuracy": "0.91"}


def test_what_a_chunk_leaves_out_stays_as_it_was() -> None:
    record = _record({"progress": 0.5, "epoch": 3, "loss": 0.7}, {"loss": 0.6})

    assert record.fraction == 0.5
    assert _values(record) == {"epoch": "3", "loss": "0.6"}


def test_what_is_no_mapping_is_one_field_without_a_name() -> None:
    assert _values(_record("token")) == {"": "token"}


def test_a_stream_of_ever_other_keys_keeps_the_latest() -> None:
    record = _record(*({f"key{number}": number} for number in range(50)))

    assert list(_values(record)) == [f"key{number}" for number in range(50 - MOST_VALUES, 50)]


def test_the_last_chunks_are_kept_with_their_numbers() -> None:
    record = _record(*({"epoch": number} for number in range(1, 101)))

    rows = record.rows(short_value)
    assert rows[-1] == Row(number=100, cells={"epoch": "100"})
    assert [row.number for row in rows] == list(range(101 - KEPT_CHUNKS, 101))


def test_a_copy_stays_as_it_is_while_the_stream_goes_on() -> None:
    record = _record({"epoch": 1})
    copied = record.copy()
    record.take({"epoch": 2, "loss": 0.5})

    assert _values(copied) == {"epoch": "1"}
    assert copied.chunks == 1


def test_each_numeric_field_has_its_own_row_of_numbers() -> None:
    record = _record(*({"loss": 1 / n, "note": "x", "ok": True} for n in range(1, 5)))

    samples = {field.key: field.samples for field in record.fields(_look)}
    assert samples == {"loss": (1.0, 1 / 2, 1 / 3, 1 / 4), "note": (), "ok": ()}


def test_fields_that_take_turns_are_all_seen() -> None:
    record = _record(*({"ab"[number % 2]: number} for number in range(10_000)))

    assert all(len(field.samples) > WIDTH for field in record.fields(_look))


def test_samples_are_spread_over_all_of_it_in_a_bounded_space() -> None:
    record = _record(*range(100_000))

    (field,) = record.fields(_look)
    assert len(field.samples) <= MOST_SAMPLES
    gaps = {after - before for before, after in pairwise(field.samples)}
    assert max(gaps) <= 2 * min(gaps)
    assert field.samples[-1] > 95_000


def test_a_chunk_of_very_many_fields_is_kept_in_part() -> None:
    record = _record({str(number): number for number in range(10_000)})

    assert len(_values(record)) == MOST_VALUES
    assert len(record.rows(short_value)[0].cells) == MOST_COLUMNS


@pytest.mark.parametrize(
    ("numbers", "drawn"),
    [
        ([], ""),
        ([1], ""),
        ([1, 2], "▁█"),
        ([3, 3, 3], "▅▅▅"),
        ([1, math.nan, 2], "▁ █"),
        ([math.inf, 1, 2], " ▁█"),
        ([math.nan, math.nan], ""),
        ([-1e308, 1e308], "▁█"),
        (range(8), "▁▂▃▄▅▆▇█"),
    ],
    ids=str,
)
def test_a_row_of_numbers_is_drawn_from_its_lowest_to_its_highest(
    numbers: list[float], drawn: str
) -> None:
    assert sparkline(numbers) == drawn


def test_a_long_row_is_as_wide_as_any_and_ends_by_its_last_number() -> None:
    drawn = sparkline([0.0] * 1000 + [1.0])

    assert len(drawn) == WIDTH
    assert drawn[-1] == "█"


def _record(*chunks: object) -> StreamRecord:
    record = StreamRecord()
    for chunk in chunks:
        record.take(chunk)
    return record


def _look(value: object) -> Look:
    return Look(text=short_value(value))


def _values(record: StreamRecord) -> dict[str, str]:
    return {field.key: field.look.text for field in record.fields(_look)}
