"""The subcommand of `%snakepit` that lets other programs in."""

import argparse

from snakepit_nb.blocking import face
from snakepit_nb.identifiers import TOKEN_HEADER

from .cell_options import OptionParser
from .subcommand import Subcommand, Surroundings, add_pool


def serve_commands() -> dict[str, Subcommand]:
    """Makes it, by name."""
    serve = OptionParser("%snakepit serve", "Lets other programs of this machine call the tools.")
    serve.add_argument("--port", type=int, default=0, metavar="P", help="where; by default any")
    serve.add_argument("--stop", action="store_true", help="let them in no more")
    add_pool(serve, is_option=True)
    return {"serve": Subcommand(parser=serve, run=_serve)}


def _serve(found: argparse.Namespace, _: Surroundings) -> object:
    chosen = face.pool(found.pool)
    if found.stop:
        was_served = chosen.stop_serving()
        print("Nobody else is let in any more." if was_served else "Nobody else was let in.")
        return None
    served = chosen.serve(found.port)
    print(f"Pool {chosen.name!r} serves snakepit.bridge on {served.address}.")
    # Shown, the token would be saved with the notebook.
    token = f"snakepit.pool({chosen.name!r}).serve().token"
    print(f"Whoever calls it sends the header {TOKEN_HEADER}: {token} has it.")
    return None
