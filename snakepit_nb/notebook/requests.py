"""The front end's message to which the running code answers."""

import json
from collections.abc import Mapping
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.jsonutil import json_default

_CARRIED = ("header", "parent_header", "msg_id", "msg_type", "metadata", "content")


def request_of(shell: InteractiveShell) -> Mapping[str, Any]:
    """Returns the message; a terminal has none."""
    get_parent = getattr(shell, "get_parent", None)
    return {} if get_parent is None else get_parent() or {}


def parent_without_code(request: Mapping[str, Any]) -> bytes:
    """Writes the message of a cell for its worker, which has the code already."""
    if not request.get("header"):
        return b""
    carried = {key: request[key] for key in _CARRIED if key in request}
    content = request.get("content", {})
    carried["content"] = {key: value for key, value in content.items() if key != "code"}
    return json.dumps(carried, default=json_default).encode()
