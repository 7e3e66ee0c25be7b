"""Asks a gateway by the clients that others wrote: Triton's over HTTP and gRPC, OpenAI's. Prints one object of JSON."""

import json
import sys

import numpy
import openai
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http

port, key = sys.argv[1:]
address = f"127.0.0.1:{port}"


def headers():
    """A new one each time: Triton's client writes lengths of bodies into what it is given."""
    return {"authorization": f"Bearer {key}"}


values = numpy.array([[1, -2.5], [3, 4e-3]], dtype=numpy.float32)


def ask_triton(module, client):
    told = {
        "live": client.is_server_live(headers=headers()),
        "ready": client.is_server_ready(headers=headers()),
        "model": client.is_model_ready("net", headers=headers()),
        "version": client.is_model_ready("net", "1", headers=headers()),
    }
    tensor = module.InferInput("x", values.shape, "FP32")
    tensor.set_data_from_numpy(values)
    wanted = [module.InferRequestedOutput("y")]
    for name, outputs in (("all", None), ("wanted", wanted)):
        answer = client.infer("net", [tensor], request_id="r-1", outputs=outputs, headers=headers())
        told[name] = answer.as_numpy("y").tolist()
    for name, change in (("other", {"model_name": "absent"}), ("shape", {"inputs": [to_wide(module)]})):
        try:
            client.infer(**{"model_name": "net", "inputs": [tensor], "headers": headers(), **change})
        except module.InferenceServerException as error:
            told[name] = str(error)
    return told


def to_wide(module):
    tensor = module.InferInput("x", [1, 3], "FP32")
    tensor.set_data_from_numpy(numpy.zeros((1, 3), dtype=numpy.float32))
    return tensor


def ask_json(client):
    tensor = triton_http.InferInput("x", values.shape, "FP32")
    tensor.set_data_from_numpy(values, binary_data=False)
    wanted = triton_http.InferRequestedOutput("y", binary_data=False)
    return client.infer("net", [tensor], outputs=[wanted], headers=headers()).as_numpy("y").tolist()


def ask_openai(client):
    messages = [{"role": "user", "content": "good morning everybody"}]
    whole = client.chat.completions.create(model="llm", messages=messages)
    told = {"whole": whole.choices[0].message.content, "model": whole.model}
    stream = client.chat.completions.create(model="llm", messages=messages, stream=True)
    told["pieces"] = [piece.choices[0].delta.content for piece in stream if piece.choices[0].delta.content]
    told["list"] = [model.id for model in client.models.list()]
    for name, change in (("tokens", {"max_tokens": 1000}), ("absent", {"model": "absent"}), ("member", {"extra_body": {"lora": "/x"}})):
        try:
            client.chat.completions.create(**{"model": "llm", "messages": messages, **change})
        except openai.APIStatusError as error:
            told[name] = [type(error).__name__, error.code]
    return told


http = triton_http.InferenceServerClient(address)
grpc = triton_grpc.InferenceServerClient(address)
text = openai.OpenAI(base_url=f"http://{address}/v1", api_key=key, max_retries=0)
metadata = http.get_model_metadata("net", headers=headers())
over_grpc = grpc.get_model_metadata("net", headers=headers(), as_json=True)
print(
    json.dumps(
        {
            "http": ask_triton(triton_http, http),
            "json": ask_json(http),
            "grpc": ask_triton(triton_grpc, grpc),
            "metadata": [metadata, over_grpc],
            "openai": ask_openai(text),
        }
    )
)
