"""The form in which values go to ends that are not ours, and a word on what had none."""

import logging
import os

from snakepit_nb.wire.markers import marker_policy
from snakepit_nb.wire.plain_messages import PlainForm

log = logging.getLogger(__name__)

MOST_TYPES = 10_000
"""How many types are told of, at most."""

_told: set[str] = set()


def plain_form() -> PlainForm:
    """Returns the form that the variables of this process ask for."""
    return PlainForm(policy=marker_policy(os.environ), note=_tell_once)


def _tell_once(type_name: str) -> None:
    if type_name not in _told and len(_told) < MOST_TYPES:
        _told.add(type_name)
        log.warning("a %s has no form in JSON: a marker goes in its place", type_name)
