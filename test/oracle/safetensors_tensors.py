"""Prints, for every file of a folder, what the reference implementation of safetensors reads, or that it refuses.

Output: one JSON object {name: [[tensor, dtype, shape, SHA-256], …] in name order, or null}.
"""

import hashlib
import json
import os
import sys

import safetensors


def read(data):
    try:
        tensors = safetensors.deserialize(data)
    except safetensors.SafetensorError:
        return None
    rows = [[name, t["dtype"], t["shape"], hashlib.sha256(bytes(t["data"])).hexdigest()] for name, t in tensors]
    return sorted(rows)


out = {}
for name in sorted(os.listdir(sys.argv[1])):
    with open(os.path.join(sys.argv[1], name), "rb") as f:
        out[name] = read(f.read())
print(json.dumps(out))
