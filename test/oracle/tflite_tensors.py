"""Prints, for every TFLite file of a folder, what the generated schema code of LiteRT reads.

Output: one JSON object {file: {tensors: [[name, type, shape, scales, zero points, SHA-256], ...], operators: [...],
metadata: {...}}}. Only tensors with data are listed; one without a name is "#" and its number.
"""

import hashlib
import json
import os
import sys

from ai_edge_litert import schema_py_generated as schema

OPERATORS = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
TYPES = {code: name for name, code in vars(schema.TensorType).items() if isinstance(code, int)}


def read_buffer(model, index):
    data = model.buffers[index].data
    return b"" if data is None else bytes(bytearray(data))


def read_tensors(model, subgraph):
    for i, tensor in enumerate(subgraph.tensors or []):
        data = read_buffer(model, tensor.buffer)
        if not data:
            continue
        name = tensor.name.decode() if tensor.name else f"#{i}"
        shape = [int(dim) for dim in tensor.shape] if tensor.shape is not None else []
        q = tensor.quantization
        scales = [float(x) for x in q.scale] if q is not None and q.scale is not None else []
        zeros = [int(x) for x in q.zeroPoint] if q is not None and q.zeroPoint is not None else []
        digest = hashlib.sha256(data).hexdigest()
        yield [name, TYPES[tensor.type], shape, scales, zeros, digest]


def read_operators(model, subgraph):
    for operator in subgraph.operators or []:
        code = model.operatorCodes[operator.opcodeIndex]
        builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
        name = code.customCode.decode() if OPERATORS[builtin] == "CUSTOM" else OPERATORS[builtin]
        options = operator.builtinOptions
        padding = getattr(options, "padding", None)
        yield [name, [int(i) for i in operator.inputs], padding]


def read(data):
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))
    metadata = {m.name.decode(): read_buffer(model, m.buffer).hex() for m in model.metadata or []}
    return {
        "tensors": [row for subgraph in model.subgraphs for row in read_tensors(model, subgraph)],
        "operators": list(read_operators(model, model.subgraphs[0])),
        "metadata": metadata,
    }


out = {}
for file_name in sorted(os.listdir(sys.argv[1])):
    with open(os.path.join(sys.argv[1], file_name), "rb") as f:
        out[file_name] = read(bytearray(f.read()))
print(json.dumps(out))
