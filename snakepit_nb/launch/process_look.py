"""What the system says of a process on this machine."""

from snakepit_nb.scheduling.health import ProcessLook


def look_at(pid: int) -> ProcessLook | None:
    """Looks at a process; None: there is none any more, or the system says nothing of it."""
    import psutil  # noqa: PLC0415 (it takes a while, and is wanted only where a worker is ill)

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return ProcessLook(
                is_stopped=process.status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP),
                cpu_seconds=times.user + times.system,
                memory=process.memory_info().rss,
            )
    except (psutil.Error, OSError):
        return None
