"""For each model path on stdin: what onnx.shape_inference says of every value of the main graph, as one JSON list.

Declared types of inner values are dropped first, and the shapes of outputs, so that all is inferred.
"""
import json
import sys

import onnx


def describe(info):
    if not info.type.HasField("tensor_type"):
        return None
    tensor = info.type.tensor_type
    shape = None
    if tensor.HasField("shape"):
        shape = [d.dim_value if d.HasField("dim_value") else (d.dim_param or None) for d in tensor.shape.dim]
    return {"dtype": tensor.elem_type, "shape": shape}


result = []
for line in sys.stdin:
    try:
        model = onnx.load(line.strip())
        del model.graph.value_info[:]
        for output in model.graph.output:
            if output.type.HasField("tensor_type"):
                output.type.tensor_type.ClearField("shape")
        model = onnx.shape_inference.infer_shapes(model, check_type=False, strict_mode=False, data_prop=True)
        infos = [*model.graph.value_info, *model.graph.output]
        result.append({info.name: described for info in infos if (described := describe(info)) is not None})
    except Exception:  # models that it cannot infer are skipped
        result.append(None)
print(json.dumps(result))
