/**
 * Open Inference Protocol v2 over gRPC: six methods of inference.GRPCInferenceService, framed by hand. Streams, repository,
 * shared memory, statistics, trace and logging have no row here.
 * @see https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/open_inference_grpc.proto
 */
import { GatewayError } from '../../../core/errors.ts';
import { GATEWAY_LIMITS } from '../../../core/limits/gateway.ts';
import { checkOutputHeads, checkOutputs, type OutputHead } from '../../output/caps.ts';
import { applyPolicy, isRestricting } from '../../output/policy.ts';
import type { Call, CallKind, GatewayAnswer, ModelSignature, NamedTensor } from '../../ports.ts';
import { findTensorDType, isTensorDType, type TensorDType, toDatatype } from '../../tensors/datatypes.ts';
import { hashTensors } from '../../tensors/hash.ts';
import { refuse } from '../../tensors/refuse.ts';
import { checkBytes, checkDatatype, checkShape, completeInputs, findInput } from '../../tensors/signature.ts';
import { toToldError } from '../errors.ts';
import { toMediaType } from '../headers.ts';
import { checkWanted } from '../oip/decode.ts';
import type { OipOptions } from '../oip/oip.ts';
import { checkHidden, countItems } from '../oip/proxy.ts';
import type { AnswerRules, Caps, DecodedRequest, Protocol, RequestBytes, Route, UpstreamModel } from '../ports.ts';
import { isName } from '../routes.ts';
import { asUpstream, toGoodHeaders } from '../upstream.ts';
import { readContents } from './contents.ts';
import { encodeGrpc, encodeGrpcInfo, toAnswer, toAnswerHead } from './encode.ts';
import { FRAME_HEAD_BYTES, readFrame, toFrame } from './frame.ts';
import { type GrpcInfer, type GrpcTensor, readInferAnswer, readInferRequest } from './infer.ts';
import { isGrpcReady, readGrpcSignature } from './metadata.ts';
import { checkGrpcStatus, toGrpcAnswer, toGrpcError } from './status.ts';
import { WireCursor, WireWriter } from './wire.ts';

const SERVICE = '/inference.GRPCInferenceService';

const toRoute = (method: string, kind: CallKind): Route => ({
  method: 'POST',
  path: `${SERVICE}/${method}`,
  kind,
  route: '',
});

const OIP_GRPC_ROUTES: readonly Route[] = [
  toRoute('ModelInfer', 'infer'),
  toRoute('ModelReady', 'model-ready'),
  toRoute('ModelMetadata', 'model-metadata'),
  toRoute('ServerLive', 'server-live'),
  toRoute('ServerReady', 'server-ready'),
  toRoute('ServerMetadata', 'server-metadata'),
];

const ROUTES: ReadonlyMap<string, Route> = new Map(OIP_GRPC_ROUTES.map((route) => [route.path, route]));
const TYPES = ['application/grpc', 'application/grpc+proto'];
const NAME_BYTES_MAX = 4 * GATEWAY_LIMITS.nameCharsMax;

/** @example createOipGrpc().routes */
export function createOipGrpc(options: OipOptions = {}): Protocol {
  const parameters = new Set(options.parameters ?? []);
  return {
    name: 'oip-grpc',
    routes: OIP_GRPC_ROUTES,
    findRoute: ({ method, path }) => {
      const route = ROUTES.get(path);
      if (route === undefined) return null;
      return method === 'POST' ? toCall(route, null, null) : 'method';
    },
    findCall: ({ method, path, headers, body }) => {
      const route = ROUTES.get(path);
      if (route === undefined) return null;
      return method === 'POST' ? findGrpcCall(route, readMessage({ headers, body })) : 'method';
    },
    embedded: {
      isSlow: () => false,
      decode: (request, signature, caps) => decodeGrpc(readMessage(request), signature, caps, parameters),
      encode: encodeGrpc,
    },
    proxy: {
      isSlow: () => false,
      toUpstream: (call, request, model, policy, caps) => {
        const { path } = OIP_GRPC_ROUTES.find(({ kind }) => kind === call.kind)!;
        const headers = [['content-type', 'application/grpc'] as const, ['te', 'trailers'] as const];
        if (call.kind !== 'infer') return { request: toRequest(path, headers, toNames(model)), items: 1 };
        const infer = readInferRequest(readMessage(request), parameters);
        const wanted = infer.wanted.map((name) => ({ name, isBinary: true }));
        checkHidden(wanted, policy);
        if (model.signature !== null) checkWanted(wanted, model.signature);
        const items = countItems(infer.tensors, model.signature, caps.batchMax);
        const isSame = infer.name === model.name && infer.version === (model.version ?? '');
        const body = isSame ? request.body : withNames(model, infer);
        const tensors = caps.isHashed === true ? readInputs(infer) : undefined;
        return { request: toRequest(path, headers, body), items, ...(tensors !== undefined && { tensors }) };
      },
      toAnswerHeaders: (_plan, answer) => toGoodHeaders(answer, []),
      toAnswer: (plan, answer, rules) => {
        toGoodHeaders(answer, []);
        checkGrpcStatus(answer.headers, answer.trailers?.() ?? []);
        if (rules.call.kind !== 'infer' || !plan.request.path.endsWith('/ModelInfer')) return toGrpcAnswer(answer.body);
        return asUpstream(() => toInferAnswer(answer.body, rules));
      },
      toEvents: null,
      readReady: isGrpcReady,
      readSignature: readGrpcSignature,
    },
    encodeInfo: encodeGrpcInfo,
    encodeError: (code, fields) => toGrpcError(toToldError(code, fields)),
  };
}

function readMessage({ headers, body }: RequestBytes): Uint8Array {
  if (!TYPES.includes(toMediaType(headers))) {
    throw new GatewayError('GATEWAY_CONTENT_TYPE', { fields: { at: 'content-type' } });
  }
  return readFrame(body, 'GATEWAY_INPUT_MALFORMED');
}

function toRequest(
  path: string,
  headers: readonly (readonly [string, string])[],
  body: Uint8Array,
): {
  method: string;
  path: string;
  headers: readonly (readonly [string, string])[];
  body: Uint8Array;
  isStreamed: boolean;
} {
  return { method: 'POST', path, headers, body, isStreamed: false };
}

/** Name and version stand in fields 1 and 2 of every message that concerns a model; the values are not looked at. */
function findGrpcCall(route: Route, message: Uint8Array): Call {
  const { kind } = route;
  const isOfModel = kind === 'infer' || kind === 'model-ready' || kind === 'model-metadata';
  if (!isOfModel) return toCall(route, null, null);
  const cursor = new WireCursor(message, 0, message.length, 'GATEWAY_INPUT_MALFORMED');
  const found: (string | null)[] = [null, null, null];
  for (let fields = 0; cursor.next(); fields++) {
    if (fields > 4 * GATEWAY_LIMITS.tensorsMax) cursor.fail('too many fields');
    const { number } = cursor;
    if (number !== 1 && number !== 2) continue;
    if (found[number] !== null) cursor.fail('given twice');
    found[number] = cursor.text(NAME_BYTES_MAX);
  }
  const [, model, version] = found;
  if (model === null || !isName(model)) cursor.fail('no name of a model');
  if (version !== null && version !== '' && !isName(version)) cursor.fail('no version of a model');
  return toCall(route, model, version === '' ? null : version);
}

function toCall({ kind }: Route, model: string | null, version: string | null): Call {
  return { protocol: 'oip-grpc', kind, model, version, route: '' };
}

function decodeGrpc(
  message: Uint8Array,
  signature: ModelSignature,
  caps: Pick<Caps, 'batchMax'>,
  parameters: ReadonlySet<string>,
): DecodedRequest {
  const infer = readInferRequest(message, parameters);
  const given = new Array<NamedTensor | undefined>(signature.inputs.length).fill(undefined);
  let hasNegativeZero = false;
  infer.tensors.forEach((tensor, i) => {
    const { at, name, shape } = tensor;
    const index = findInput(signature, name, given, at);
    const declared = signature.inputs[index];
    const dtype = checkDatatype(declared, tensor.datatype, at);
    checkShape(declared, shape, caps.batchMax, at);
    const count = shape.reduce((product, dim) => product * dim, 1);
    const data = infer.raw[i] ?? readContents(tensor.contents ?? new Uint8Array(), dtype, count, at);
    if (checkBytes(dtype, shape, data, at)) hasNegativeZero = true;
    given[index] = { name, dtype, shape, data };
  });
  const outputs = infer.wanted.length === 0 ? null : infer.wanted.map((name) => ({ name, isBinary: true }));
  checkWanted(outputs, signature);
  const { inputs, items } = completeInputs(signature, given);
  const form = { layout: 'grpc', id: infer.id === '' ? null : infer.id, outputs, isBinary: true } as const;
  return { inputs, items, hasNegativeZero, form };
}

/** A message that only names a model. */
function toNames(model: UpstreamModel): Uint8Array {
  return toFrame(
    new WireWriter()
      .text(1, model.name)
      .text(2, model.version ?? '')
      .finish(FRAME_HEAD_BYTES),
  );
}

function withNames(model: UpstreamModel, { rest }: GrpcInfer): Uint8Array {
  const message = new WireWriter().text(1, model.name).text(2, model.version ?? '');
  for (const part of rest) message.raw(part);
  return toFrame(message.finish(FRAME_HEAD_BYTES));
}

function toInferAnswer(body: Uint8Array, rules: AnswerRules): GatewayAnswer {
  const infer = readInferAnswer(readFrame(body, 'GATEWAY_UPSTREAM_MALFORMED'));
  const { signature, policy, items, inBand } = rules;
  // The version is the server's own when none was asked for.
  const model = rules.model.version === '' ? { name: rules.model.name, version: infer.version } : rules.model;
  const heads = infer.tensors.map(({ name, datatype, shape }) => ({ name, dtype: toDType(datatype), shape }));
  checkOutputHeads(heads, signature, items);
  if (isRestricting(policy)) {
    const outputs = infer.tensors.map((tensor, i) => toTensor(tensor, infer.raw[i]));
    checkOutputs(outputs, signature, items, rules.answerBytesMax);
    const visible = applyPolicy(outputs, policy, signature);
    const parameters = inBand?.(hashTensors(visible));
    return encodeGrpc({ layout: 'grpc', id: infer.id, outputs: null, isBinary: true }, model, visible, { parameters });
  }
  infer.raw.forEach((raw, i) => {
    checkRaw(heads[i], raw);
  });
  const outputs = inBand === undefined ? undefined : findTensors(infer);
  const parameters = outputs === undefined ? undefined : inBand?.(hashTensors(outputs));
  const isSame = infer.name === model.name && infer.version === model.version;
  if (isSame && !infer.hasParameters && parameters === undefined) return toGrpcAnswer(body);
  const message = toAnswerHead(model, { parameters });
  for (const part of infer.rest) message.raw(part);
  return toAnswer(message);
}

/** Raw values have the bytes of their shape; those of texts are not counted. @throws GatewayError GATEWAY_ANSWER_SHAPE */
function checkRaw({ name, dtype, shape }: OutputHead, raw: Uint8Array): void {
  if (!isTensorDType(dtype)) return;
  const bytes = shape.reduce<number>((product, dim) => product * dim, toDatatype(dtype).bytes);
  if (bytes !== raw.length) throw new GatewayError('GATEWAY_ANSWER_SHAPE', { fields: { at: name } });
}

function toDType(datatype: string): NamedTensor['dtype'] {
  const dtype = datatype === 'BYTES' ? 'string' : findTensorDType(datatype);
  if (dtype === undefined) throw new GatewayError('GATEWAY_UPSTREAM_MALFORMED', { fields: { problem: 'no datatype' } });
  return dtype;
}

/** @throws GatewayError GATEWAY_INPUT_NAME | GATEWAY_INPUT_SHAPE | GATEWAY_INPUT_VALUE */
function readInputs(infer: GrpcInfer): readonly NamedTensor[] | undefined {
  const tensors = findTensors(infer);
  const names = new Set<string>();
  tensors?.forEach(({ name, dtype, shape, data }, i) => {
    const { at } = infer.tensors[i];
    if (names.has(name)) refuse('GATEWAY_INPUT_NAME', at, { problem: 'given twice' });
    names.add(name);
    const bytes = shape.reduce<number>((product, dim) => product * dim, toDatatype(dtype as TensorDType).bytes);
    if (data.length !== bytes) refuse('GATEWAY_INPUT_SHAPE', at, { problem: 'another number of bytes than the shape' });
  });
  return tensors;
}

/** The tensors of a message; undefined where one of them holds texts. */
function findTensors({ tensors, raw }: GrpcInfer): readonly NamedTensor[] | undefined {
  if (tensors.some(({ datatype }) => findTensorDType(datatype) === undefined)) return undefined;
  return tensors.map((tensor, i) => toTensor(tensor, raw[i]));
}

function toTensor({ at, name, datatype, shape, contents }: GrpcTensor, raw: Uint8Array | undefined): NamedTensor {
  const dtype = findTensorDType(datatype);
  if (dtype === undefined) throw new GatewayError('GATEWAY_ANSWER_SHAPE', { fields: { at: name } });
  const count = shape.reduce((product, dim) => product * dim, 1);
  return { name, dtype, shape, data: raw ?? readContents(contents ?? new Uint8Array(), dtype, count, at) };
}
