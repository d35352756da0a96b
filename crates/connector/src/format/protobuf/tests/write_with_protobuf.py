"""Writes the files beside it, which tests read: `pip install protobuf grpcio-tools && python write_with_protobuf.py`."""

import importlib
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

here = Path(__file__).parent
known = Path(grpc_tools.__file__).parent / "_proto"
with tempfile.TemporaryDirectory() as folder:
    arguments = ["protoc", f"-I{here}", f"-I{known}", "--include_imports", f"--descriptor_set_out={here}/descriptors.binpb"]
    assert protoc.main([*arguments, f"--python_out={folder}", "all.proto", "old.proto"]) == 0
    sys.path.insert(0, folder)
    all_pb2 = importlib.import_module("all_pb2")
    old_pb2 = importlib.import_module("old_pb2")

message = all_pb2.All(
    b=True, i32=-7, i64=1 << 40, u32=4_000_000_000, u64=1 << 60, s32=-3, s64=-(1 << 50), x32=9, x64=10, sx32=-11, sx64=-12,
    f32=0.5, f64=-0.25, text="né", bytes=b"\x00\xff", color=all_pb2.BLUE, inner=all_pb2.Inner(x=1, y="", deep=[1, -1]),
    numbers=[1, 2, -3], unpacked=[4, 5], words=["a", "", "b"], inners=[all_pb2.Inner(x=1), all_pb2.Inner()],
    counts={"k": 1}, by_number={3: all_pb2.Inner(y="z")}, maybe=0, other=5,
)
message.at.seconds, message.at.nanos = 1_709_201_730, 123_456_789
old = old_pb2.Old(id=3, numbers=[1, 2])
old.gone.x = 9
with open(here / "messages.binpb", "wb") as file:
    for written in [message, all_pb2.All(), old]:
        body = written.SerializeToString(deterministic=True)
        assert len(body) < 1 << 14
        size = len(body)
        file.write(bytes([size & 0x7F | 0x80, size >> 7]) if size >= 0x80 else bytes([size]))
        file.write(body)
