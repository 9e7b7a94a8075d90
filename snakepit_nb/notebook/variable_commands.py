"""The subcommands of `%snakepit` that copy variables to sessions and workers, and from them."""

import argparse
from collections.abc import Mapping

from snakepit_nb.blocking import face
from snakepit_nb.blocking.cell_outcome import error_of, values_of
from snakepit_nb.blocking.cell_plan import NOTEBOOK_SESSION, CellPlan, CellRequest
from snakepit_nb.blocking.grouped_output import Grouped, Grouping
from snakepit_nb.blocking.printing import print_event
from snakepit_nb.errors import UsageError

from .cell_options import OptionParser, parse_names, parse_place
from .subcommand import Subcommand, Surroundings, add_pool
from .variables import chosen_variables
from .widgets.status_view import counted


def variable_commands() -> dict[str, Subcommand]:
    """Makes them, by name."""
    push = _parser("push", "Copies variables of the notebook to a session, or to workers.")
    pull = _parser("pull", "Copies variables of a session, or of workers, to the notebook.")
    pull.add_argument(
        "--trust-results",
        action="store_true",
        help="unpickle what else could not come: a worker's code may run here",
    )
    return {
        "push": Subcommand(parser=push, run=_push),
        "pull": Subcommand(parser=pull, run=_pull),
    }


def _parser(name: str, description: str) -> OptionParser:
    parser = OptionParser(f"%snakepit {name}", description)
    parser.add_argument("names", nargs="+", metavar="NAMES", help="the variables: a b, or a,b")
    parser.add_argument("-s", "--session", metavar="NAME", help="the session; the notebook's own")
    parser.add_argument(
        "-t",
        "--targets",
        metavar="SPEC",
        help="workers: all, 0, 0,2, 1:, w1; what several send is a dictionary by worker",
    )
    add_pool(parser, is_option=True)
    return parser


def _push(found: argparse.Namespace, surroundings: Surroundings) -> object:
    names = parse_names("%snakepit push", " ".join(found.names))
    inputs = chosen_variables("%snakepit push", names, surroundings.namespace)
    plan, _ = _exchange(found, inputs=inputs)
    print(f"{counted(len(names), 'variable')} sent to {_where(plan)}.")
    return None


def _pull(found: argparse.Namespace, surroundings: Surroundings) -> object:
    names = parse_names("%snakepit pull", " ".join(found.names))
    plan, values = _exchange(found, returns=names, trust_results=found.trust_results)
    surroundings.namespace.update(values)
    print(f"{counted(len(names), 'variable')} brought from {_where(plan)}.")
    return None


def _exchange(
    found: argparse.Namespace,
    *,
    inputs: Mapping[str, object] | None = None,
    returns: tuple[str, ...] = (),
    trust_results: bool = False,
) -> tuple[CellPlan, dict[str, object]]:
    """Runs an empty cell, which waits for those before it, for its variables."""
    chosen = face.pool(found.pool)
    session, targets = parse_place(found)
    if targets is not None and targets.are_any:
        raise UsageError("--targets any: its variables would be gone at once.")
    plan = chosen.plan(
        CellRequest(
            code="",
            session=session,
            targets=targets,
            inputs=inputs or {},
            returns=returns,
            trust_results=trust_results,
            store_history=False,
        )
    )
    names = plan.names if plan.are_many else ()
    grouped = Grouped(names, Grouping.WORKER, print_event)
    outcomes = chosen.run_planned(plan, grouped.show)
    grouped.finish()
    error = error_of(plan, outcomes)
    if error is not None:
        raise error
    return plan, values_of(plan, outcomes)


def _where(plan: CellPlan) -> str:
    if plan.names[0]:
        return ", ".join(plan.names)
    return f"session {plan.request.session or NOTEBOOK_SESSION!r}"
