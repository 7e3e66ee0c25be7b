/** Answers held against the declared signature, so that a model gives no more than it was declared to give. */
import { GatewayError } from '../../core/errors.ts';
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';
import type { DType } from '../../model/dtype.ts';
import type { ModelSignature, NamedTensor } from '../ports.ts';
import { isTensorDType, toDatatype } from '../tensors/datatypes.ts';

/** An output before its values are read. */
export interface OutputHead {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/**
 * Holds names, types and shapes against the signature: a free first axis has as many rows as the request.
 * @throws GatewayError GATEWAY_ANSWER_SHAPE
 */
export function checkOutputHeads(heads: readonly OutputHead[], signature: ModelSignature | null, items: number): void {
  if (heads.length > GATEWAY_LIMITS.tensorsMax) fail('outputs', 'too many outputs');
  for (let at = 0; at < heads.length; at++) {
    const { name, dtype, shape } = heads[at];
    for (let earlier = 0; earlier < at; earlier++) if (heads[earlier].name === name) fail(name, 'given twice');
    if (shape.length > GATEWAY_LIMITS.rankMax) fail(name, 'too many axes');
    if (signature === null) continue;
    const declared = signature.outputs.find((output) => output.name === name);
    if (declared === undefined) fail('outputs', 'an output that was not declared');
    if (declared.dtype !== dtype) fail(name, 'another type than declared');
    const isShape =
      shape.length === declared.shape.length &&
      shape.every((dim, axis) => {
        const fixed = declared.shape[axis];
        return fixed === null ? axis > 0 || dim === items : dim === fixed;
      });
    if (!isShape) fail(name, 'another shape than declared');
  }
}

/**
 * {@link checkOutputHeads}, and that each has the bytes of its shape, together no more than the cap.
 * @throws GatewayError GATEWAY_ANSWER_SHAPE | GATEWAY_ANSWER_TOO_LARGE
 */
export function checkOutputs(
  outputs: readonly NamedTensor[],
  signature: ModelSignature | null,
  items: number,
  answerBytesMax: number,
): void {
  checkOutputHeads(outputs, signature, items);
  let total = 0;
  for (const { name, dtype, shape, data } of outputs) {
    if (!isTensorDType(dtype)) fail(name, 'a type that no answer has');
    let bytes: number = toDatatype(dtype).bytes;
    for (const dim of shape) bytes *= dim;
    if (bytes !== data.length) fail(name, 'another number of bytes than its shape');
    total += bytes;
  }
  if (total > answerBytesMax) throw new GatewayError('GATEWAY_ANSWER_TOO_LARGE', { fields: { max: answerBytesMax } });
}

function fail(at: string, problem: string): never {
  throw new GatewayError('GATEWAY_ANSWER_SHAPE', { fields: { at, problem } });
}
