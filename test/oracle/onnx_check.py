"""For each model path on stdin: whether onnx.checker accepts it, as one JSON list of messages, null for yes."""
import json
import sys

import onnx

result = []
for line in sys.stdin:
    try:
        onnx.checker.check_model(line.strip())
        result.append(None)
    except Exception as error:  # the checker has no one class for what it refuses
        result.append(str(error).strip().split("\n")[0] or type(error).__name__)
print(json.dumps(result))
