from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from snakepit_nb.notebook.widgets.trace_tree import all_of, trees
from snakepit_nb.observations import Part, SpanRecord

from .any_traces import any_spans
from .making_traces import MIDNIGHT, MILLISECOND, call, span


def test_parents_come_before_children_and_siblings_by_their_begin() -> None:
    cell = span(Part.CELL, "cell", (0, 100))
    late, early = call("late", cell, 50), call("early", cell, 10)

    names = [node.span.name for node in all_of(trees([*late, *early, cell]))]

    assert names == [
        *("cell", "call early", "queue", "rpc", "worker", "tool early"),
        *("call late", "queue", "rpc", "worker", "tool late"),
    ]


def test_a_span_whose_parent_is_not_here_is_a_root() -> None:
    cell = span(Part.CELL, "cell", (0, 100))
    orphans = call("embed", cell, 10)

    assert [root.span.name for root in trees(orphans)] == ["call embed"]


def test_a_span_that_came_twice_is_there_once() -> None:
    spans = call("embed", None, 0)

    assert len([*all_of(trees(spans * 2))]) == 5


def test_spans_may_be_nested_deeper_than_python_calls() -> None:
    spans = [span(None, "outermost", (0, 5000))]
    for number in range(3000):
        spans.append(span(None, "inner", (number, 5000), spans[-1]))

    assert len([*all_of(trees(spans))]) == 3001


def test_a_worker_whose_clock_is_ahead_is_moved_to_where_its_call_was() -> None:
    spans = call("embed", None, 0, code=10)
    hour = 3_600_000 * MILLISECOND
    spans = [
        replace(each, begun=each.begun + hour, ended=each.ended + hour) if each.worker_id else each
        for each in spans
    ]

    *_, rpc, worker, tool = all_of(trees(spans))

    assert rpc.begun <= worker.begun <= tool.begun
    assert tool.ended <= worker.ended <= rpc.ended
    assert (tool.ended - tool.begun) == 10 * MILLISECOND
    assert (tool.begun - worker.begun) == 1 * MILLISECOND


def test_what_a_worker_did_is_cut_to_its_call_where_it_is_longer() -> None:
    rpc = span(Part.RPC, "rpc", (0, 10))
    worker = span(Part.WORKER, "worker", (-5, 30), rpc, worker="w0")

    _, cut = all_of(trees([rpc, worker]))

    assert (cut.begun, cut.ended) == (MIDNIGHT, MIDNIGHT + 10 * MILLISECOND)


def test_calls_that_outlast_their_cell_are_not_cut() -> None:
    cell = span(Part.CELL, "cell", (0, 2))

    _, outlasting, *_ = all_of(trees([cell, *call("slow", cell, 1, code=500)]))

    assert outlasting.ended > MIDNIGHT + 500 * MILLISECOND


@given(any_spans())
def test_of_any_spans_each_is_in_one_place_and_none_ends_before_it_begins(
    spans: list[SpanRecord],
) -> None:
    nodes = [*all_of(trees(spans))]

    assert sorted(node.span.span_id for node in nodes) == sorted(each.span_id for each in spans)
    assert all(node.begun <= node.ended for node in nodes)
    for node in nodes:
        begins = [child.span.begun for child in node.children]
        assert begins == sorted(begins)
        assert all(child.span.parent_id == node.span.span_id for child in node.children)


@given(any_spans(), st.integers(-(10**9), 10**9))
def test_a_workers_spans_lie_within_its_call_whatever_its_clock(
    spans: list[SpanRecord], skew: int
) -> None:
    skewed = [
        replace(each, begun=each.begun + skew, ended=each.ended + skew) if each.worker_id else each
        for each in spans
    ]

    for node in all_of(trees(skewed)):
        for child in node.children:
            if child.span.worker_id:
                assert node.begun <= child.begun <= child.ended <= node.ended
