"""What the Python package gguf makes of published checkpoints.

`names ARCHITECTURE NAME…`          prints the name that it gives to each tensor, or null, as a JSON list.
`convert CHECKPOINT OUT TYPE HEADS KEY_HEADS`  writes a safetensors file of the llama family as GGUF: names of the package,
                                    rows of query and key projections in its rotary order, matrices as TYPE, norms f32.
"""

import json
import sys

import numpy as np
from gguf import MODEL_ARCH, GGMLQuantizationType, GGUFWriter, get_tensor_name_map, quants
from safetensors.numpy import load_file

BLOCKS_MAX = 200


def to_name(architecture, name):
    return get_tensor_name_map(MODEL_ARCH[architecture], BLOCKS_MAX).get_name(name, try_suffixes=(".weight", ".bias"))


def interleave(rows, heads):
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def convert(checkpoint, out, kind, heads, key_heads):
    kind = GGMLQuantizationType[kind]
    writer = GGUFWriter(out, "llama")
    writer.add_head_count(heads)
    writer.add_head_count_kv(key_heads)
    for name, values in load_file(checkpoint).items():
        if name.endswith("q_proj.weight"):
            values = interleave(values, heads)
        if name.endswith("k_proj.weight"):
            values = interleave(values, key_heads)
        own = GGMLQuantizationType.F32 if values.ndim == 1 else kind
        data = quants.quantize(np.ascontiguousarray(values), own)
        writer.add_tensor(to_name("LLAMA", name), data, raw_dtype=own)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if sys.argv[1] == "names":
    print(json.dumps([to_name(sys.argv[2], name) for name in sys.argv[3:]]))
else:
    convert(*sys.argv[2:5], int(sys.argv[5]), int(sys.argv[6]))
