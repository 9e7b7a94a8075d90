"""A thread's asyncio loop, on which calls run as tasks."""

import asyncio
import signal
import threading

from snakepit_nb.mailbox import Mailbox


class Lane:
    """One loop, served by the thread that calls `serve`."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.mailbox = Mailbox(self.loop.call_soon_threadsafe)
        self._stopping = False
        self._thread: threading.Thread | None = None

    @classmethod
    def started(cls, name: str) -> "Lane":
        """Makes a lane that a thread of its own serves."""
        lane = cls()
        lane._thread = threading.Thread(target=lane._serve_here, name=name, daemon=True)
        lane._thread.start()
        return lane

    def serve(self) -> None:
        """Runs what comes until `stop`."""
        asyncio.set_event_loop(self.loop)
        while not self._stopping:
            try:
                self.loop.run_forever()
            except (KeyboardInterrupt, SystemExit):
                continue  # user code's own, out of a task or callback that outlived its call
        self.loop.close()

    def stop(self) -> None:
        """Ends `serve`, from any thread, once what runs lets go of the loop."""
        self._stopping = True
        self.loop.call_soon_threadsafe(self.loop.stop)

    def clear(self) -> None:
        """Cancels what calls have left behind, and then stops."""
        self.loop.call_soon_threadsafe(self._clear_here)

    def join(self) -> None:
        """Returns when the lane's own thread has ended."""
        if self._thread is not None:
            self._thread.join()

    def _clear_here(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.call_soon(self.stop)  # behind the tasks, which see their cancellation first

    def _serve_here(self) -> None:
        # Blocked on the serving thread, which starts this one; what user code starts inherits it.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        self.serve()
