"""Runs every TFLite file of a folder on one npy array, in the order of axes that the models take, and prints the output for every sample.

Arguments: folder, npy file. Integer inputs are quantised with the input's own scale and zero point.
Output: one JSON object {file: [[number, ...], ...]}.
"""

import json
import os
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter



def run(path, samples):
    interpreter = Interpreter(model_path=path)
    given = interpreter.get_input_details()[0]
    # A model of one sample takes them one by one.
    batch = len(samples) if given["shape_signature"][0] == -1 else 1
    interpreter.resize_tensor_input(given["index"], [batch, *samples.shape[1:]])
    interpreter.allocate_tensors()
    values = samples
    if given["dtype"] == np.int8:
        scale, zero = given["quantization"]
        values = np.clip(np.round(samples / scale + zero), -128, 127)
    values = np.ascontiguousarray(values.astype(given["dtype"]))
    rows = []
    for first in range(0, len(samples), batch):
        interpreter.set_tensor(given["index"], values[first : first + batch])
        interpreter.invoke()
        result = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        rows += result.reshape(batch, -1).tolist()
    return rows


samples = np.load(sys.argv[2])
names = sorted(name for name in os.listdir(sys.argv[1]) if name.endswith(".tflite"))
print(json.dumps({name: run(os.path.join(sys.argv[1], name), samples) for name in names}))
