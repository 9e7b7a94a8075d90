"""Reading and writing pipes and sockets without holding up the loop."""

import os
import socket
from collections.abc import Sequence

import anyio

RECEIVED_AT_ONCE = 65536
LONGEST_LINE = 65536


async def receive(descriptor: int) -> bytes:
    """Reads what is there, waiting for something; nothing is the end."""
    while True:
        await anyio.wait_readable(descriptor)
        try:
            return os.read(descriptor, RECEIVED_AT_ONCE)
        except BlockingIOError:
            continue
        except ConnectionResetError:  # the end, of one that had not read all we sent
            return b""


async def receive_line(descriptor: int) -> bytes:
    """Reads one line, up to its newline, the end, or a length that no line has."""
    received = b""
    while b"\n" not in received and len(received) < LONGEST_LINE:
        data = await receive(descriptor)
        if not data:
            break
        received += data
    return received


async def send_all(connection: socket.socket, data: bytes, descriptors: Sequence[int] = ()) -> None:
    """Writes all of the data, and with its first bytes the descriptors."""
    unsent = memoryview(data)
    while unsent:
        try:
            if descriptors:
                count = socket.send_fds(connection, [unsent], list(descriptors))
            else:
                count = connection.send(unsent)
        except BlockingIOError:
            await anyio.wait_writable(connection)
            continue
        unsent, descriptors = unsent[count:], ()
