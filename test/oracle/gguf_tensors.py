"""Judges GGUF files with the Python package gguf.

`read FOLDER`   prints, for every file, what is read: {name: {"tensors": [[tensor, type, shape, SHA-256 of the bytes,
                SHA-256 of the values as little-endian f32 or null], …] in name order, "fields": {key: value}}, or null}.
`write FOLDER SAFETENSORS`  writes files of every type that the package can write, with tensors of the given file.
`types`         prints {type name: [number, elements of a block, bytes of a block]}.
"""

import hashlib
import json
import os
import resource
import sys

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, quants
from gguf.constants import GGML_QUANT_SIZES
from safetensors.numpy import load_file

FLOATS = {GGMLQuantizationType.F32, GGMLQuantizationType.F16, GGMLQuantizationType.BF16}
DECODED = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def to_row(tensor):
    kind = tensor.tensor_type
    values = None
    if kind in FLOATS or kind.name in DECODED:
        with np.errstate(all="ignore"):
            # The package cannot decode nothing.
            data = quants.dequantize(tensor.data, kind) if tensor.n_elements > 0 else np.zeros(0)
            numbers = data.astype("<f4")
        values = digest(np.where(np.isnan(numbers), np.float32(np.nan), numbers))
    shape = [int(dim) for dim in reversed(tensor.shape)]
    return [tensor.name, kind.name.lower(), shape, digest(tensor.data), values]


def to_value(field):
    if field.types == [GGUFValueType.STRING]:
        return bytes(field.parts[field.data[0]]).decode()
    if len(field.types) == 1:
        return str(field.parts[field.data[0]][0])
    return len(field.data)


def read(path):
    try:
        reader = GGUFReader(path)
    except (ValueError, KeyError, IndexError, OverflowError, TypeError, MemoryError, RecursionError):
        return None
    fields = {key: to_value(field) for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    return {"tensors": sorted(to_row(tensor) for tensor in reader.tensors), "fields": fields}


def add_metadata(writer):
    writer.add_uint8("t.u8", 255)
    writer.add_int8("t.i8", -128)
    writer.add_uint16("t.u16", 65535)
    writer.add_int16("t.i16", -32768)
    writer.add_uint32("t.u32", 2**32 - 1)
    writer.add_int32("t.i32", -(2**31))
    writer.add_float32("t.f32", 0.5)
    writer.add_bool("t.bool", True)
    writer.add_string("t.string", "zwölf ☃")
    writer.add_array("t.words", ["a", "", "ß"])
    writer.add_array("t.numbers", [1, 2, 3])
    writer.add_array("t.floats", [0.5, 1.5])
    writer.add_uint64("t.u64", 2**64 - 1)
    writer.add_int64("t.i64", -(2**63))
    writer.add_float64("t.f64", 0.1)


def write(folder, source):
    weights = [(name, data) for name, data in load_file(source).items() if data.dtype == np.float32]
    random = np.random.default_rng(5)
    for kind in GGMLQuantizationType:
        elements, size = GGML_QUANT_SIZES[kind]
        writer = GGUFWriter(os.path.join(folder, f"{kind.name.lower()}.gguf"), "tiny")
        add_metadata(writer)
        for name, data in weights:
            rows = data.reshape(-1)[: data.size - data.size % elements].reshape(-1, elements)
            if rows.size == 0 or kind == GGMLQuantizationType.Q8_1:
                continue
            try:
                writer.add_tensor(name[-60:], quants.quantize(rows, kind), raw_dtype=kind)
            except NotImplementedError:
                break
        raw = random.integers(0, 256, (3, 2 * size), dtype=np.uint8)
        if kind != GGMLQuantizationType.Q8_1:
            writer.add_tensor("random", raw, raw_shape=(3, 2 * size), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def main():
    resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
    command, *arguments = sys.argv[1:]
    if command == "types":
        print(json.dumps({kind.name.lower(): [kind.value, *GGML_QUANT_SIZES[kind]] for kind in GGMLQuantizationType}))
    elif command == "write":
        write(*arguments)
    else:
        names = sorted(os.listdir(arguments[0]))
        print(json.dumps({name: read(os.path.join(arguments[0], name)) for name in names}))


main()
