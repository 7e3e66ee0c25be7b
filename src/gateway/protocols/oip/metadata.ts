/** What servers of the Open Inference Protocol tell of themselves: whether they are ready, and what a model takes and gives. */
import { GatewayError } from '../../../core/errors.ts';
import { GATEWAY_LIMITS } from '../../../core/limits/gateway.ts';
import { JsonReader } from '../../json/reader.ts';
import type { ModelSignature, TensorSignature, UpstreamAnswer } from '../../ports.ts';
import { findDeclared } from '../../tensors/declared.ts';
import { toGoodHeaders } from '../upstream.ts';
import { readText } from './request.ts';

type WholeAnswer = UpstreamAnswer & { readonly body: Uint8Array };

const NOT_READY = /"ready"\s*:\s*false/;
const READY_BYTES_MAX = 4096;

/** Status 200; servers of some versions say no in its body. */
export function isOipReady({ status, body }: WholeAnswer): boolean {
  if (status !== 200) return false;
  return !NOT_READY.test(Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, READY_BYTES_MAX)).toString());
}

/** @throws GatewayError GATEWAY_UPSTREAM_REFUSED | GATEWAY_UPSTREAM_MALFORMED */
export function readOipSignature(answer: WholeAnswer): ModelSignature {
  toGoodHeaders(answer, []);
  const options = { depthMax: GATEWAY_LIMITS.jsonNestedDepthMax, code: 'GATEWAY_UPSTREAM_MALFORMED' } as const;
  const reader = new JsonReader(answer.body, options);
  let [inputs, outputs]: [TensorSignature[] | null, TensorSignature[] | null] = [null, null];
  reader.enterObject();
  for (let key = reader.nextKey(); key !== null; key = reader.nextKey()) {
    if (key === 'inputs') inputs = readTensors(reader);
    else if (key === 'outputs') outputs = readTensors(reader);
    else reader.skip();
  }
  reader.finish();
  return toSignature(inputs ?? [], outputs ?? []);
}

/** @throws GatewayError GATEWAY_UPSTREAM_MALFORMED for a model without inputs or outputs */
export function toSignature(
  inputs: readonly (TensorSignature | null)[],
  outputs: readonly (TensorSignature | null)[],
): ModelSignature {
  const isWhole = (tensors: readonly (TensorSignature | null)[]): tensors is readonly TensorSignature[] =>
    tensors.length > 0 && tensors.length <= GATEWAY_LIMITS.tensorsMax && tensors.every((tensor) => tensor !== null);
  if (!isWhole(inputs) || !isWhole(outputs)) {
    throw new GatewayError('GATEWAY_UPSTREAM_MALFORMED', { fields: { at: 'metadata' } });
  }
  return { inputs, outputs };
}

function readTensors(reader: JsonReader): TensorSignature[] {
  const tensors: TensorSignature[] = [];
  reader.enterArray();
  while (reader.nextElement()) {
    if (tensors.length === GATEWAY_LIMITS.tensorsMax) reader.fail('too many tensors');
    tensors.push(readTensor(reader));
  }
  return tensors;
}

function readTensor(reader: JsonReader): TensorSignature {
  let [name, datatype] = ['', ''];
  const shape: number[] = [];
  reader.enterObject();
  for (let key = reader.nextKey(); key !== null; key = reader.nextKey()) {
    if (key === 'name') name = readText(reader, key);
    else if (key === 'datatype') datatype = readText(reader, key);
    else if (key === 'shape') readAxes(reader, shape);
    else reader.skip();
  }
  return findDeclared({ name, datatype, shape }) ?? reader.fail('no tensor');
}

/** -1 stands for any length. */
function readAxes(reader: JsonReader, shape: number[]): void {
  reader.enterArray();
  while (reader.nextElement()) {
    if (shape.length === GATEWAY_LIMITS.rankMax) reader.fail('too many axes');
    shape.push(reader.readNumber());
  }
}
