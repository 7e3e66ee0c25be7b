"""Checks answers of a Modelward gateway: one file, Python 3.9 or later, nothing but the standard library.

    tag = read_key_file(open("acme.apikey.json").read())
    verify_answer(method="POST", path="/v2/models/fraud/infer", request_body=body,
                  status=response.status, headers=response.getheaders(), body=answer, tag=tag)

What fails raises a VerifyError whose `code` says what is wrong; the codes are those of `modelward verify-response`.
A tag shows you that nothing was changed on the way. You hold the same key, so it shows nothing to others: for them there
are signatures (`public_key`, PEM), which need the package `cryptography`, and proofs of the log.
"""

import base64
import hashlib
import hmac
import json
import re
import struct
import time as _time

SKEW_SEC = 60
COVERED = (
    '("@status" "content-digest" "modelward-input-digest" "modelward-log" "x-request-id"'
    ' "@method";req "@path";req)'
)
LAST_EVENT = b"event: modelward-integrity\ndata: "
IN_BAND = "modelward-answer-1"
LAST_EVENT_BYTES_MAX = 64 * 1024


class VerifyError(Exception):
    def __init__(self, code):
        super().__init__("the answer of the gateway was not verified: " + code)
        self.code = code


def read_key_file(text):
    """(key id, 32 bytes) of the file of `modelward apikey create`."""
    file = json.loads(text)
    key = _from_base64url(file["tagKey"])
    if len(key) != 32:
        raise ValueError("this is no file of an API key")
    return file["keyId"], key


def verify_answer(
    *, method, path, request_body, status, headers, body, tag=None, public_key=None, now=None, max_age=None
):
    """An answer with integrity headers, or a whole event stream.

    headers: a mapping, or pairs; body: the bytes as they came, before any json.loads.
    tag: what read_key_file gives; public_key: PEM. Where both are given, both marks must be there and good.
    Returns {"request_id", "created", "marks"}.
    """
    fields = _to_fields(headers)
    options = dict(
        method=method, path=path, request_body=request_body, status=status,
        tag=tag, public_key=public_key, now=now, max_age=max_age,
    )  # fmt: skip
    if "content-digest" in fields or "signature" in fields:
        return _check(fields, hashlib.sha256(_to_bytes(body)).digest(), **options)
    if not re.match(r"text/event-stream\b", fields.get("content-type", ""), re.I):
        raise VerifyError("INTEGRITY_MISSING")
    verifier = StreamVerifier(headers=headers, **options)
    verifier.update(_to_bytes(body))
    return verifier.finish()


class StreamVerifier:
    """An event stream while it comes: `update` with each chunk, `finish` behind the last.

    What came is to be trusted after `finish`.
    """

    def __init__(self, *, headers, **options):
        self._request_id = _to_fields(headers).get("x-request-id")
        self._options = {"tag": None, "public_key": None, "now": None, "max_age": None, **options}
        self._hash = hashlib.sha256()
        self._held = b""

    def update(self, chunk):
        self._held += chunk
        start = self._held.rfind(LAST_EVENT)
        # What begins an event behind which too much comes is none of the gateway's.
        is_event = start >= 0 and len(self._held) - start <= LAST_EVENT_BYTES_MAX
        count = start if is_event else max(0, len(self._held) - len(LAST_EVENT))
        self._hash.update(self._held[:count])
        self._held = self._held[count:]

    def finish(self):
        if not self._held.startswith(LAST_EVENT):
            raise VerifyError("INTEGRITY_STREAM_UNENDED")
        fields = _find_fields(self._held[len(LAST_EVENT) :])
        if fields is None:
            raise VerifyError("INTEGRITY_MALFORMED")
        if self._request_id is not None and self._request_id != fields.get("x-request-id"):
            raise VerifyError("INTEGRITY_REQUEST_OTHER")
        return _check(fields, self._hash.digest(), **self._options)


def verify_in_band(
    *, integrity, outputs, path, request_body, tag=None, public_key=None, now=None, max_age=None
):
    """What stands within an answer of the Open Inference Protocol, for clients that do not see headers.

    integrity: `parameters.integrity` of the answer, or `parameters.integrity_signature`; outputs: `outputs` of the answer,
    each with name, shape, datatype and data: values, nested or flat, or their bytes (little-endian).
    """
    words = integrity.split(" ")
    if len(words) != 9 or words[0] != IN_BAND:
        raise VerifyError("INTEGRITY_MALFORMED")
    _, alg, key_id, seconds, request_id, signed_path, input_hash, output_hash, value = words
    if not re.fullmatch(r"[0-9]{1,12}", seconds) or alg not in ("hmac-sha256", "ed25519"):
        raise VerifyError("INTEGRITY_MALFORMED")
    if signed_path != path:
        raise VerifyError("INTEGRITY_REQUEST_OTHER")
    if not hmac.compare_digest(_from_base64url(input_hash), hashlib.sha256(_to_bytes(request_body)).digest()):
        raise VerifyError("INTEGRITY_INPUT_OTHER")
    if not hmac.compare_digest(_from_base64url(output_hash), hash_tensors(outputs)):
        raise VerifyError("INTEGRITY_OUTPUT_CHANGED")
    kind = "tag" if alg == "hmac-sha256" else "signature"
    if (tag if kind == "tag" else public_key) is None:
        raise VerifyError("INTEGRITY_MISSING")
    text = integrity[: integrity.rindex(" ")]
    _check_mark(kind, key_id, text, _from_base64url(value), tag, public_key)
    _check_time(int(seconds), now, max_age)
    return {"request_id": request_id, "created": int(seconds), "marks": [kind]}


def _check(fields, digest, *, method, path, request_body, status, tag, public_key, now, max_age):
    if not hmac.compare_digest(_read_digest(fields.get("content-digest")), digest):
        raise VerifyError("INTEGRITY_BODY_CHANGED")
    input_digest = hashlib.sha256(_to_bytes(request_body)).digest()
    if not hmac.compare_digest(_read_digest(fields.get("modelward-input-digest")), input_digest):
        raise VerifyError("INTEGRITY_INPUT_OTHER")
    kinds = [kind for kind, key in (("tag", tag), ("signature", public_key)) if key is not None]
    if not kinds:
        raise ValueError("no key to verify with")
    created = None
    for kind in kinds:
        mark_created, key_id, params, value = _read_mark(kind, fields)
        names = ("content-digest", "modelward-input-digest", "modelward-log", "x-request-id")
        if any(name not in fields for name in names):
            raise VerifyError("INTEGRITY_MALFORMED")
        lines = [('"@status"', str(status))]
        lines += [('"%s"' % name, fields[name]) for name in names]
        lines += [('"@method";req', method), ('"@path";req', path), ('"@signature-params"', params)]
        text = "\n".join("%s: %s" % line for line in lines)
        _check_mark(kind, key_id, text, value, tag, public_key)
        _check_time(mark_created, now, max_age)
        created = mark_created if created is None else created
    return {"request_id": fields["x-request-id"], "created": created, "marks": kinds}


def _read_digest(text):
    found = re.search(r"(?:^|,[ \t]*)sha-256=:([A-Za-z0-9+/]{43}=):", text or "")
    if found is None:
        raise VerifyError("INTEGRITY_MALFORMED")
    return _from_base64(found.group(1))


def _read_mark(kind, fields):
    label, alg = ("tag", "hmac-sha256") if kind == "tag" else ("sig", "ed25519")
    inputs = fields.get("signature-input", "")
    value = re.search(r"(?:^|,[ \t]*)%s=:([A-Za-z0-9+/]+={0,2}):" % label, fields.get("signature", ""))
    start = re.search(r"(?:^|,[ \t]*)%s=(?=\()" % label, inputs)
    if value is None or start is None:
        raise VerifyError("INTEGRITY_MISSING")
    rest = inputs[start.end() :]
    if not rest.startswith(COVERED):
        raise VerifyError("INTEGRITY_UNCOVERED")
    form = r';created=([0-9]{1,12});keyid="([^"\\]*)";alg="([a-z0-9-]+)";tag="modelward-answer"(?=,|$)'
    params = re.match(form, rest[len(COVERED) :])
    if params is None or params.group(3) != alg:
        raise VerifyError("INTEGRITY_UNCOVERED")
    return int(params.group(1)), params.group(2), COVERED + params.group(0), _from_base64(value.group(1))


def _check_mark(kind, key_id, text, value, tag, public_key):
    if kind == "tag":
        if key_id != tag[0]:
            raise VerifyError("INTEGRITY_KEY_OTHER")
        if not hmac.compare_digest(hmac.new(tag[1], text.encode("utf-8"), hashlib.sha256).digest(), value):
            raise VerifyError("INTEGRITY_TAG_WRONG")
        return
    der = base64.b64decode("".join(public_key.strip().splitlines()[1:-1]))
    if key_id != hashlib.sha256(der).hexdigest():
        raise VerifyError("INTEGRITY_KEY_OTHER")
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise RuntimeError("signatures are checked by the package cryptography: pip install cryptography") from error
    # The SPKI of an Ed25519 key ends in its 32 bytes.
    if len(der) != 44 or not der.startswith(bytes.fromhex("302a300506032b6570032100")):
        raise VerifyError("INTEGRITY_SIGNATURE_WRONG")
    try:
        Ed25519PublicKey.from_public_bytes(der[12:]).verify(value, text.encode("utf-8"))
    except InvalidSignature:
        raise VerifyError("INTEGRITY_SIGNATURE_WRONG") from None


def _check_time(created, now, max_age):
    now = _time.time() if now is None else now
    if max_age is not None and now - created > max_age + SKEW_SEC:
        raise VerifyError("INTEGRITY_TOO_OLD")
    if created - now > SKEW_SEC:
        raise VerifyError("INTEGRITY_TOO_NEW")


# Type in the hash, and the form of one value for struct; BF16 is cut from FP32.
_DTYPES = {
    "BOOL": ("bool", "?"),
    "UINT8": ("u8", "B"),
    "UINT16": ("u16", "H"),
    "UINT32": ("u32", "I"),
    "UINT64": ("u64", "Q"),
    "INT8": ("i8", "b"),
    "INT16": ("i16", "h"),
    "INT32": ("i32", "i"),
    "INT64": ("i64", "q"),
    "FP16": ("f16", "e"),
    "BF16": ("bf16", None),
    "FP32": ("f32", "f"),
    "FP64": ("f64", "d"),
}
_FLOAT_BYTES = {"f16": 2, "bf16": 2, "f32": 4, "f64": 8}


def hash_tensors(outputs):
    """SHA-256 over names, types, shapes and values, the same for JSON and binary answers (docs/spec/tensor-hash.md)."""
    rows = sorted(outputs, key=lambda output: output["name"].encode("utf-8"))
    digest = hashlib.sha256(b"mw/tensors/v1\0" + struct.pack(">I", len(rows)))
    for output in rows:
        if output["datatype"] not in _DTYPES:
            raise VerifyError("INTEGRITY_MALFORMED")
        dtype, form = _DTYPES[output["datatype"]]
        name, data = output["name"].encode("utf-8"), _to_values(dtype, form, output["data"])
        digest.update(struct.pack(">I", len(name)) + name + struct.pack(">I", len(dtype)) + dtype.encode("ascii"))
        digest.update(struct.pack(">I", len(output["shape"])))
        digest.update(b"".join(struct.pack(">Q", dim) for dim in output["shape"]))
        digest.update(struct.pack(">Q", len(data)) + data)
    return digest.digest()


def _to_values(dtype, form, data):
    if isinstance(data, (bytes, bytearray, memoryview)):
        packed = bytearray(data)
    else:
        values = list(_flatten(data))
        if form is None:
            packed = bytearray(b"".join(_to_bfloat(value) for value in values))
        else:
            packed = bytearray(struct.pack("<%d%s" % (len(values), form), *values))
    size = _FLOAT_BYTES.get(dtype)
    if size is not None:
        # Negative zeros are zeros.
        zero = b"\0" * (size - 1) + b"\x80"
        for at in range(0, len(packed), size):
            if packed[at + size - 1] == 0x80 and packed[at : at + size] == zero:
                packed[at + size - 1] = 0
    return bytes(packed)


def _to_bfloat(value):
    (bits,) = struct.unpack("<I", struct.pack("<f", value))
    return struct.pack("<H", ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) & 0xFFFF)


def _flatten(values):
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _flatten(value)
        else:
            yield value


def _find_fields(text):
    if text.find(b"\n\n") != len(text) - 2:
        return None
    try:
        fields = json.loads(text)
    except ValueError:
        return None
    if not isinstance(fields, dict) or fields.pop("v", None) != 1:
        return None
    return fields if all(isinstance(value, str) for value in fields.values()) else None


def _to_fields(headers):
    fields = {}
    for name, value in headers.items() if hasattr(headers, "items") else headers:
        name = name.lower()
        fields[name] = fields[name] + ", " + value if name in fields else value
    return fields


def _to_bytes(body):
    return body.encode("utf-8") if isinstance(body, str) else bytes(body)


def _from_base64url(text):
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise VerifyError("INTEGRITY_MALFORMED")
    return _from_base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))


def _from_base64(text):
    """Bytes of the one right spelling."""
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:
        value = None
    if value is None or base64.b64encode(value).decode("ascii") != text:
        raise VerifyError("INTEGRITY_MALFORMED")
    return value
