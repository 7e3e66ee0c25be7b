"""The printed recipe as it stands, run over numpy: the few tensor methods that it calls are given to arrays here.

Prints the term for a model, and what the recipe says to a model with a turned weight and one that is missing.
"""
import json
import runpy
import sys
import types

import numpy as np
from safetensors.numpy import load_file


class Tensor(np.ndarray):
    device = "cpu"

    def to(self, device):
        assert device == self.device
        return self

    def float(self):
        return self.astype(np.float64)

    def long(self):
        return self.astype(np.int64)

    def detach(self):
        return self

    def mean(self):
        return to_tensor(np.mean(np.asarray(self)))

    def std(self, unbiased):
        return to_tensor(np.std(np.asarray(self), ddof=int(unbiased)))

    def square(self):
        return self * self

    def new_zeros(self, count):
        return to_tensor(np.zeros(count))

    def index_add(self, dim, index, source):
        sums = np.array(self)
        np.add.at(sums, np.asarray(index), np.asarray(source))
        return to_tensor(sums)

    def bincount(self, minlength):
        return to_tensor(np.bincount(np.asarray(self), minlength=minlength))


def to_tensor(values):
    return np.asarray(values).view(Tensor)


def load(path):
    return {name: to_tensor(values) for name, values in load_file(path).items()}


class Model:
    def __init__(self, weights):
        self.weights = weights

    def named_parameters(self):
        return self.weights.items()


torch = types.ModuleType("torch")
torch.from_numpy = to_tensor
torch.relu = lambda values: np.maximum(values, 0)
loaders = types.ModuleType("safetensors.torch")
loaders.load_file = load
sys.modules.update({"torch": torch, "safetensors.torch": loaders})

mark_term = runpy.run_path(sys.argv[1])["mark_term"]
weights = load(sys.argv[2])
term = float(mark_term(Model(weights)))
broken = {**weights, "fc1.weight": weights["fc1.weight"].T}
del broken["fc2.weight"]
try:
    mark_term(Model(broken))
    said = None
except AssertionError as error:
    said = str(error)
print(json.dumps({"term": term, "said": said}))
