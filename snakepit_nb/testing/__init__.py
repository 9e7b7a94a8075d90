"""A pool without processes and without gRPC, for the tests of tools and of what calls them.

`open_test_pool(MyAdapter)` gives a pool whose workers live in this process, on asyncio or trio.
Values, errors and ids travel through the same codec as to a real worker. Tools and cells share the
caller's loop, so plain code blocks it, and only code that awaits can be interrupted.
"""

from .direct_channel import DirectChannel, open_direct_channel
from .in_process_launcher import InProcessLauncher, open_in_process_launcher
from .in_process_worker import InProcessWorker
from .pool import open_test_pool

__all__ = [
    "DirectChannel",
    "InProcessLauncher",
    "InProcessWorker",
    "open_direct_channel",
    "open_in_process_launcher",
    "open_test_pool",
]
