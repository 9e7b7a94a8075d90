import hashlib
import subprocess
import sys
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool

from snakepit_nb.wire.generated import snakepit_bridge_pb2 as bridge
from snakepit_nb.wire.generated import snakepit_cells_pb2 as cells

PROTO_FOLDER = Path(__file__).parents[2] / "proto"


def test_the_bridge_has_the_descriptor_of_the_original(tmp_path: Path) -> None:
    written = tmp_path / "bridge.binpb"
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO_FOLDER}"]
    options = [f"--descriptor_set_out={written}", "snakepit_bridge.proto"]

    subprocess.run([*protoc, *options], check=True)

    [file] = descriptor_pb2.FileDescriptorSet.FromString(written.read_bytes()).file
    descriptor = file.SerializeToString(deterministic=True)
    assert len(descriptor) == 7084
    assert (
        hashlib.sha256(descriptor).hexdigest()
        == "8ebcf810aab8529ef1f65822298de76f020df9966adc211459d0fedaa8b42e07"
    )


def test_the_bridge_is_registered_under_the_name_of_the_original() -> None:
    assert bridge.DESCRIPTOR.name == "snakepit_bridge.proto"
    assert bridge.DESCRIPTOR.package == "snakepit.bridge"


def test_the_module_of_the_original_may_be_loaded_beside_ours() -> None:
    pool = descriptor_pool.Default()

    again = pool.AddSerializedFile(bridge.DESCRIPTOR.serialized_pb)

    assert again.name == "snakepit_bridge.proto"
    assert (
        pool.FindMessageTypeByName("snakepit.bridge.PingRequest") is bridge.PingRequest.DESCRIPTOR
    )


def test_our_own_protocol_takes_no_name_of_the_original() -> None:
    assert cells.DESCRIPTOR.package == "snakepit.cells.v1"
    assert cells.DESCRIPTOR.name == "snakepit_nb/wire/generated/snakepit_cells.proto"
