"""What both ends of the line speak."""

import os

# Read by gRPC when it is first imported: with it, each fork of a kernel (`!ls`) prints a complaint.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
