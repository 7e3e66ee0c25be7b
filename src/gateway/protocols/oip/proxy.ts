/** Requests of the Open Inference Protocol as they go on: read as strictly as the gateway's own, handed on as they came. */
import { isRestricting } from '../../output/policy.ts';
import type { Call, ModelSignature, NamedTensor, OutputPolicy } from '../../ports.ts';
import { findTensorDType, toDatatype } from '../../tensors/datatypes.ts';
import { readElements } from '../../tensors/elements.ts';
import { refuse } from '../../tensors/refuse.ts';
import { checkDatatype, checkShape, findInput } from '../../tensors/signature.ts';
import type { PlanCaps, RequestBytes, Route, UpstreamModel, UpstreamPlan, WantedOutput } from '../ports.ts';
import { toPath } from '../routes.ts';
import type { JsonReader } from '../../json/reader.ts';
import { LENGTH_HEADER, type OipBody } from './body.ts';
import { checkWanted, toReader } from './decode.ts';
import { type InputDraft, readOipRequest } from './request.ts';

/** @throws GatewayError as ProxyCodec.toUpstream does */
export function toOipPlan(
  route: Route,
  body: OipBody,
  request: RequestBytes,
  model: UpstreamModel,
  rules: {
    readonly policy: OutputPolicy;
    readonly caps: PlanCaps;
    readonly parameters: ReadonlySet<string>;
  },
): UpstreamPlan {
  const reader = toReader(body.json);
  const { isHashed = false } = rules.caps;
  const onData = isHashed ? readValues : null;
  const { inputs, outputs } = readOipRequest(reader, { parameters: rules.parameters, onData });
  const binaryBytes = inputs.reduce((sum, draft) => sum + Math.max(0, draft.binaryBytes), 0);
  if (binaryBytes !== (body.binary?.length ?? 0))
    refuse('GATEWAY_INPUT_MALFORMED', 'body', { problem: 'bytes of no input' });
  checkHidden(outputs, rules.policy);
  const items = countItems(inputs, model.signature, rules.caps.batchMax);
  if (model.signature !== null) checkWanted(outputs, model.signature);
  return {
    request: {
      method: 'POST',
      path: toPath(route, model.name, model.version),
      headers:
        body.binary === null
          ? [['content-type', 'application/json']]
          : [
              ['content-type', 'application/octet-stream'],
              [LENGTH_HEADER, String(body.json.length)],
            ],
      body: request.body,
      isStreamed: false,
    },
    items,
    ...(isHashed && toTensors(inputs, reader, body)),
  };
}

/** Values of JSON are read where they stand, once; those of texts, and of types that there are none of, are left. */
function readValues(draft: InputDraft, reader: JsonReader): void {
  const dtype = findTensorDType(draft.datatype!);
  if (dtype !== undefined) draft.values = readElements(reader, dtype, draft.shape!, draft.at);
}

/** The tensors as a model of the gateway's own would get them; NaN and infinities are the server's business. */
function toTensors(
  inputs: readonly InputDraft[],
  reader: JsonReader,
  { binary }: OipBody,
): Pick<UpstreamPlan, 'tensors'> | undefined {
  const tensors: NamedTensor[] = [];
  const names = new Set<string>();
  let binaryAt = 0;
  for (const draft of inputs) {
    const { name, datatype, shape, binaryBytes, at } = draft;
    const dtype = findTensorDType(datatype!);
    if (dtype === undefined) return undefined;
    if (names.has(name!)) refuse('GATEWAY_INPUT_NAME', at, { problem: 'given twice' });
    names.add(name!);
    if (binaryBytes < 0) {
      // The head came after the values.
      if (draft.values === null) {
        reader.at = draft.dataAt;
        readValues(draft, reader);
      }
      tensors.push({ name: name!, dtype, shape: shape!, data: draft.values!.data });
      continue;
    }
    const data = binary!.subarray(binaryAt, binaryAt + binaryBytes);
    binaryAt += binaryBytes;
    const bytes = shape!.reduce<number>((product, dim) => product * dim, toDatatype(dtype).bytes);
    if (data.length !== bytes) refuse('GATEWAY_INPUT_SHAPE', at, { problem: 'another number of bytes than the shape' });
    tensors.push({ name: name!, dtype, shape: shape!, data });
  }
  return { tensors };
}

/** A question for readiness, without a body. */
export function toReadyPlan(route: Route, model: UpstreamModel): UpstreamPlan {
  const path = toPath(route, model.name, model.version);
  return { request: { method: 'GET', path, headers: [], body: new Uint8Array(), isStreamed: false }, items: 1 };
}

/** @throws GatewayError GATEWAY_OUTPUT_NOT_ALLOWED */
export function checkHidden(outputs: readonly WantedOutput[] | null, policy: OutputPolicy): void {
  if (outputs === null || !isRestricting(policy)) return;
  outputs.forEach(({ name }, i) => {
    if (policy.hidden.includes(name)) refuse('GATEWAY_OUTPUT_NOT_ALLOWED', `outputs[${i}]`);
  });
}

/**
 * Rows of the request: with a signature as that says, else the longest first axis of inputs of two axes or more, or of texts.
 * @throws GatewayError GATEWAY_BATCH_TOO_LARGE | GATEWAY_INPUT_NAME | GATEWAY_INPUT_DTYPE | GATEWAY_INPUT_SHAPE
 */
export function countItems(
  inputs: readonly Pick<InputDraft, 'at' | 'name' | 'datatype' | 'shape'>[],
  signature: ModelSignature | null,
  batchMax: number,
): number {
  let items = 1;
  for (const { at, name, datatype, shape } of inputs) {
    if (signature === null) {
      const isRows = shape!.length > 1 || (shape!.length === 1 && datatype === 'BYTES');
      if (isRows) items = Math.max(items, shape![0]);
      continue;
    }
    const declared = signature.inputs[findInput(signature, name!, [], at)];
    if (declared.dtype !== 'string') checkDatatype(declared, datatype!, at);
    else if (datatype !== 'BYTES') refuse('GATEWAY_INPUT_DTYPE', at, { expected: 'BYTES' });
    checkShape(declared, shape!, batchMax, at);
    if (declared.shape[0] === null) items = Math.max(items, shape![0]);
  }
  if (items > batchMax) refuse('GATEWAY_BATCH_TOO_LARGE', 'inputs', { max: batchMax });
  return items;
}

/** The row of a kind, with or without a version. */
export function findRoute(routes: readonly Route[], kind: Call['kind'], hasVersion: boolean): Route {
  const route = routes.find((row) => row.kind === kind && row.path.includes('{version}') === hasVersion);
  if (route === undefined) throw new TypeError(`no route of this kind goes on: ${kind}`);
  return route;
}
