import html
import re

from hypothesis import given

from snakepit_nb.notebook.widgets.trace_view import TraceView
from snakepit_nb.observations import Part, SpanRecord

from .any_traces import any_spans
from .making_traces import ID, call, span, trace
from .reading_pages import Page

EVIL = "\"><img src=x onerror='1'>\x1b[31m\n<script>"


def test_the_text_is_a_waterfall() -> None:
    cell = span(Part.CELL, "cell [1]", (0, 100))
    spans = call("embed", cell, 10, queue=20, code=50, error="ValueError: bad")

    text = repr(TraceView(trace([cell, *spans])))

    assert (
        text
        == """\
100 ms · 1 call, 1 failed · sp-6f1e0c9a4d2b8e7f30415263
Of 100 ms, 50% went into your code in workers, 26% into the kernel itself and 20% into waiting for a
worker.
█ your code 50.0 ms (50%)   ▂ kernel itself 26.0 ms (26%)   ░ queue wait 20.0 ms (20%)
▒ on the way 2.00 ms (2%)   ▓ worker 2.00 ms (2%)   · told by the rows beneath
cell [1]                         │▂▂▂▂····························▂▂▂▂▂▂│    100 ms
  ✗ call embed                   │   ·····························      │   74.0 ms  w0
    queue wait                   │   ░░░░░░░░                           │   20.0 ms
    ✗ to the worker and back     │           ▒····················      │   54.0 ms  w0
      ✗ in the worker            │           ▓···················▓      │   52.0 ms  w0
        ✗ tool embed             │            ███████████████████       │   50.0 ms  w0
          ValueError: bad
74.0% of the time lies within spans of calls · trace 00000000000000000000000000000abc"""
    )


def test_the_html_tells_what_the_text_tells() -> None:
    cell = span(Part.CELL, "cell [1]", (0, 100))
    spans = call("train", cell, 10, chunks=1000, error="ValueError: bad", worker="w7")

    page = Page(TraceView(trace([cell, *spans], dropped=3))._repr_html_())

    for words in (
        *(
            "100 ms · 1 call, 1 failed",
            ID,
            "went into the kernel itself",
            "queue wait 1.00 ms (1%)",
        ),
        *("✗ call train, 1,000 chunks", "w7", "ValueError: bad", "3 more spans were not kept"),
        *("trace 00000000000000000000000000000abc",),
    ):
        assert words in page.text


def test_a_silent_worker_is_not_taken_for_a_long_way() -> None:
    silent = [each for each in call("lost", None, 0) if not each.worker_id]

    assert "Of 1 call the worker told nothing: all of it" in repr(TraceView(trace(silent)))


def test_the_html_has_only_what_an_untrusted_notebook_keeps() -> None:
    page = TraceView(trace(call("embed", None, 0)))._repr_html_()

    assert Page(page).tags == {"b", "div", "span", "table", "tbody", "td", "tr"}
    assert "background-color:rgb(30,136,229)" in page


def test_hovering_tells_more_of_a_row() -> None:
    page = TraceView(
        trace([span(Part.CALL, "call embed", (0, 5), attributes={"snakepit.call_id": "c-7"})])
    )

    titles = [html.unescape(title) for title in re.findall('title="([^"]*)"', page._repr_html_())]

    assert titles == ["begins at: 0 s\nlasts: 5.00 ms\ncall_id: c-7"]


def test_nothing_that_a_span_says_becomes_markup_or_moves_the_cursor() -> None:
    spans = call(EVIL, None, 0, error=EVIL, worker=EVIL)
    spans.append(span(None, EVIL, (4, 6), spans[-1], worker=EVIL, attributes={EVIL: EVIL}))

    view = TraceView(trace(spans))

    assert {"img", "script"}.isdisjoint(Page(view._repr_html_()).tags)
    assert "\x1b" not in repr(view)
    assert "\x1b" not in view._repr_html_()
    assert len(repr(view).splitlines()) == 13


def test_the_html_of_thousands_of_spans_stays_small() -> None:
    cell = span(Part.CELL, "cell", (0, 4000))
    spans = [each for at in range(400) for each in call("score", cell, at * 10, error="E: x")]

    assert len(TraceView(trace([cell, *spans]))._repr_html_()) < 250_000


@given(any_spans())
def test_any_spans_are_drawn_in_100_columns_and_in_html_that_closes(
    spans: list[SpanRecord],
) -> None:
    view = TraceView(trace(spans))

    assert all(len(line) <= 100 for line in repr(view).splitlines())
    page = Page(view._repr_html_())
    assert not page.open
    assert page.text
