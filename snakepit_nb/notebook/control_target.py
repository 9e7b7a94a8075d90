"""How a page that is loaded again finds the widgets of workers.

JupyterLab opens a comm to `jupyter.widget.control` and asks for all widgets at once. ipywidgets in
the kernel would tell its own ones only. Where that comm is closed at once, JupyterLab asks the
kernel for its comms and each of them for its widget, which finds all.
"""

from collections.abc import Callable, Mapping
from typing import Any

CONTROL_TARGET = "jupyter.widget.control"


def guard_control_target(manager: Any, is_shared: Callable[[], bool]) -> None:
    """Lets a comm manager close comms of that target at once while workers have widgets too."""
    if isinstance(manager.targets.get(CONTROL_TARGET), _Control):
        return
    control = _Control(manager.targets.get(CONTROL_TARGET), is_shared)
    manager.targets[CONTROL_TARGET] = control
    register = manager.register_target

    def register_target(name: str, target: Any) -> None:
        """Keeps our target where ipywidgets is imported later."""
        register(name, target)
        if name == CONTROL_TARGET:
            control.kernels_own = manager.targets[name]
            manager.targets[name] = control

    manager.register_target = register_target


class _Control:
    def __init__(self, kernels_own: Any, is_shared: Callable[[], bool]) -> None:
        self.kernels_own = kernels_own
        self._is_shared = is_shared

    def __call__(self, comm: Any, message: Mapping[str, Any]) -> None:
        if self.kernels_own is None or self._is_shared():
            comm.close()
        else:
            self.kernels_own(comm, message)
