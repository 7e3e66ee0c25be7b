"""Prints, for every ONNX file, the sorted list of [element type, shape, SHA-256 of the logical bytes] of its tensors.

Argument: a .tar.gz or a folder. Output: one JSON object {path: list}. "Logical bytes" are those of model/types.ts.
"""

import hashlib
import json
import os
import struct
import sys
import tarfile

import numpy as np
import onnx
from onnx import numpy_helper

SUB_BYTE = {
    onnx.TensorProto.INT4: 4,
    onnx.TensorProto.UINT4: 4,
    onnx.TensorProto.FLOAT4E2M1: 4,
    onnx.TensorProto.INT2: 2,
    onnx.TensorProto.UINT2: 2,
}


def pack(array, bits):
    codes = array.reshape(-1).view(np.uint8) & ((1 << bits) - 1)
    per_byte = 8 // bits
    padded = np.zeros(-(-codes.size // per_byte) * per_byte, np.uint8)
    padded[: codes.size] = codes
    out = np.zeros(padded.size // per_byte, np.uint8)
    for i in range(per_byte):
        out |= padded[i::per_byte] << (bits * i)
    return out.tobytes()


def logical_bytes(tensor):
    if tensor.data_type == onnx.TensorProto.STRING:
        return b"".join(struct.pack("<I", len(s)) + s for s in tensor.string_data)
    array = numpy_helper.to_array(tensor)
    if tensor.data_type in SUB_BYTE:
        return pack(array, SUB_BYTE[tensor.data_type])
    return np.ascontiguousarray(array).tobytes()


def row(code, shape, data):
    return [code, list(shape), hashlib.sha256(data).hexdigest()]


def walk_tensor(tensor, out):
    out.append(row(tensor.data_type, tensor.dims, logical_bytes(tensor)))


def walk_sparse(sparse, out):
    walk_tensor(sparse.values, out)
    walk_tensor(sparse.indices, out)


def walk_node(node, out):
    is_constant = node.op_type == "Constant" and node.domain in ("", "ai.onnx") and node.output and node.output[0]
    for a in node.attribute:
        if a.HasField("t"):
            walk_tensor(a.t, out)
        if a.HasField("sparse_tensor"):
            walk_sparse(a.sparse_tensor, out)
        for t in a.tensors:
            walk_tensor(t, out)
        for s in a.sparse_tensors:
            walk_sparse(s, out)
        if a.HasField("g"):
            walk_graph(a.g, out)
        for g in a.graphs:
            walk_graph(g, out)
        if is_constant and not a.ref_attr_name:
            if a.name == "value_float":
                out.append(row(1, [], np.float32(a.f).tobytes()))
            elif a.name == "value_floats" and len(a.floats):
                out.append(row(1, [len(a.floats)], np.array(a.floats, np.float32).tobytes()))
            elif a.name == "value_int":
                out.append(row(7, [], np.int64(a.i).tobytes()))
            elif a.name == "value_ints" and len(a.ints):
                out.append(row(7, [len(a.ints)], np.array(a.ints, np.int64).tobytes()))


def walk_graph(graph, out):
    for t in graph.initializer:
        walk_tensor(t, out)
    for s in graph.sparse_initializer:
        walk_sparse(s, out)
    for n in graph.node:
        walk_node(n, out)


def walk_model(data):
    model = onnx.ModelProto.FromString(data)
    out = []
    walk_graph(model.graph, out)
    for f in model.functions:
        for n in f.node:
            walk_node(n, out)
    for t in model.training_info:
        walk_graph(t.initialization, out)
        walk_graph(t.algorithm, out)
    return sorted(out, key=json.dumps)


def files(path):
    if os.path.isdir(path):
        for name in sorted(os.listdir(path)):
            with open(os.path.join(path, name), "rb") as f:
                yield name, f.read()
        return
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile() and member.name.endswith(".onnx"):
                yield member.name, tar.extractfile(member).read()


print(json.dumps({name: walk_model(data) for name, data in files(sys.argv[1])}))
