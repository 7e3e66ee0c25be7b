"""The recipe of a train plan in numpy: term, margins, and the slope of the term along a direction, with the scales held."""
import json
import sys

import numpy as np
from safetensors.numpy import load_file

plan, weights, direction = (load_file(path) for path in sys.argv[1:4])
strength, tau = float(sys.argv[4]), float(sys.argv[5])
bits = plan["bits"].astype(np.float64)
names = [name[: -len(".chip")] for name in plan if name.endswith(".chip")]
scales = {name: (weights[name].astype(np.float64).mean(), weights[name].astype(np.float64).std()) for name in names}


def term(step):
    y, n = np.zeros_like(bits), np.zeros_like(bits)
    for name in names:
        mean, deviation = scales[name]
        block, chip = plan[name + ".block"].ravel(), plan[name + ".chip"].ravel().astype(np.float64)
        w = weights[name].astype(np.float64) + step * direction[name].astype(np.float64)
        np.add.at(y, block, chip * ((w - mean) / deviation).ravel())
        np.add.at(n, block, 1)
    lacking = np.maximum(1.2 * tau - bits * y / n, 0)
    return strength * (lacking**2).sum(), bits * y / n


value, margins = term(0)
slope = (term(1e-6)[0] - term(-1e-6)[0]) / 2e-6
print(json.dumps({"term": value, "wrong": int((margins <= 0).sum()), "slope": slope, "counts": len(margins)}))
