/** Requests of the Open Inference Protocol into checked tensors. */
import { GATEWAY_LIMITS } from '../../../core/limits/gateway.ts';
import { JsonReader } from '../../json/reader.ts';
import type { ModelSignature, NamedTensor } from '../../ports.ts';
import { type ReadValues, readElements } from '../../tensors/elements.ts';
import { refuse } from '../../tensors/refuse.ts';
import { checkBytes, checkDatatype, checkShape, completeInputs, findInput } from '../../tensors/signature.ts';
import type { AnswerForm, Caps, DecodedRequest, WantedOutput } from '../ports.ts';
import type { OipBody } from './body.ts';
import { type InputDraft, type OipRules, readOipRequest } from './request.ts';

export function toReader(json: Uint8Array): JsonReader {
  return new JsonReader(json, { depthMax: GATEWAY_LIMITS.jsonDepthMax, code: 'GATEWAY_INPUT_MALFORMED' });
}

/**
 * Reads and checks every input against the signature; binary values stay views of the body.
 * @throws GatewayError as EmbeddedCodec.decode does
 */
export function decodeOip(
  body: OipBody,
  signature: ModelSignature,
  caps: Pick<Caps, 'batchMax'>,
  parameters: ReadonlySet<string>,
  layout: AnswerForm['layout'] = 'oip',
): DecodedRequest {
  const reader = toReader(body.json);
  const rules: OipRules = {
    parameters,
    onData: (draft, from) => {
      draft.values = readValues(draft, from, signature, caps.batchMax);
    },
  };
  const request = readOipRequest(reader, rules);
  const given = new Array<NamedTensor | undefined>(signature.inputs.length).fill(undefined);
  let hasNegativeZero = false;
  let binaryAt = 0;
  for (const draft of request.inputs) {
    const { name, shape, at } = draft as InputDraft & { name: string; shape: readonly number[] };
    const index = findInput(signature, name, given, at);
    let values = draft.values;
    if (values === null && draft.dataAt >= 0) {
      // The head came after the values.
      reader.at = draft.dataAt;
      values = readValues(draft, reader, signature, caps.batchMax);
    }
    if (values === null) {
      values = takeBinary(draft, body, binaryAt, signature, caps.batchMax);
      binaryAt += draft.binaryBytes;
    }
    hasNegativeZero ||= values.hasNegativeZero;
    given[index] = { name, dtype: signature.inputs[index].dtype, shape, data: values.data };
  }
  if (binaryAt !== (body.binary?.length ?? 0))
    refuse('GATEWAY_INPUT_MALFORMED', 'body', { problem: 'bytes of no input' });
  checkWanted(request.outputs, signature);
  const { inputs, items } = completeInputs(signature, given);
  const { id, outputs, isBinary } = request;
  return { inputs, items, hasNegativeZero, form: { layout, id, outputs, isBinary } };
}

/** Of an input whose head is known: held against the signature before a value is read. */
function readValues(draft: InputDraft, reader: JsonReader, signature: ModelSignature, batchMax: number): ReadValues {
  const dtype = checkHead(draft, signature, batchMax);
  return readElements(reader, dtype, draft.shape!, draft.at);
}

function checkHead(draft: InputDraft, signature: ModelSignature, batchMax: number): ReturnType<typeof checkDatatype> {
  const declared = signature.inputs[findInput(signature, draft.name!, [], draft.at)];
  const dtype = checkDatatype(declared, draft.datatype!, draft.at);
  checkShape(declared, draft.shape!, batchMax, draft.at);
  return dtype;
}

function takeBinary(
  draft: InputDraft,
  body: OipBody,
  start: number,
  signature: ModelSignature,
  batchMax: number,
): ReadValues {
  const dtype = checkHead(draft, signature, batchMax);
  const end = start + draft.binaryBytes;
  if (body.binary === null || end > body.binary.length) {
    refuse('GATEWAY_INPUT_MALFORMED', draft.at, { problem: 'more bytes than the body has' });
  }
  const data = body.binary.subarray(start, end);
  return { data, hasNegativeZero: checkBytes(dtype, draft.shape!, data, draft.at) };
}

/** @throws GatewayError GATEWAY_INPUT_NAME for an output that there is none of, or none for this caller */
export function checkWanted(wanted: readonly WantedOutput[] | null, signature: ModelSignature): void {
  wanted?.forEach(({ name }, i) => {
    if (signature.outputs.every((output) => output.name !== name)) {
      refuse('GATEWAY_INPUT_NAME', `outputs[${i}]`, { problem: 'no output of the model' });
    }
  });
}
