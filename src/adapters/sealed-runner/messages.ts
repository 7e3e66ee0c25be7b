/** What parent and child say to each other, checked on arrival. */
import { z } from 'zod';
import { concatBytes } from '../../core/bytes.ts';
import { type ErrorCode, ERRORS, type ErrorFields, ModelwardError, SealError } from '../../core/errors.ts';
import { type DType, DTYPES } from '../../model/dtype.ts';
import type { RuntimeTensor } from '../../model/runtime.ts';
import type { Frame } from './frames.ts';

const dtype = z.custom<DType>((value) => typeof value === 'string' && Object.hasOwn(DTYPES, value));
const size = z.int().min(0);
const dims = z.array(z.union([size, z.string(), z.null()])).readonly();
const info = z.strictObject({ name: z.string(), dtype: dtype.nullable(), shape: dims.nullable() });
const tensor = z.strictObject({ name: z.string(), dtype, shape: z.array(size).readonly(), byteLength: size });
const id = z.int().min(0);

export const requestSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('load'), id, sealedPath: z.string() }),
  z.strictObject({ kind: z.literal('run'), id, feeds: z.array(tensor) }),
  z.strictObject({ kind: z.literal('release'), id }),
]);

export const answerSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('loaded'),
    id,
    runtime: z.strictObject({ id: z.string(), version: z.string() }),
    inputs: z.array(info).readonly(),
    outputs: z.array(info).readonly(),
  }),
  z.strictObject({ kind: z.literal('ran'), id, values: z.array(tensor) }),
  z.strictObject({ kind: z.literal('released'), id }),
  z.strictObject({ kind: z.literal('failed'), id, code: z.string(), fields: z.record(z.string(), z.unknown()) }),
]);

export type Request = z.infer<typeof requestSchema>;
export type Answer = z.infer<typeof answerSchema>;
type TensorHead = z.infer<typeof tensor>;

/** Heads of the values, and their bytes joined in the same order. */
export function encodeValues(values: ReadonlyMap<string, RuntimeTensor>): { heads: TensorHead[]; payload: Uint8Array } {
  const entries = [...values];
  const heads = entries.map(([name, { dtype, shape, data }]) => {
    return { name, dtype, shape, byteLength: data.length };
  });
  return { heads, payload: concatBytes(...entries.map(([, { data }]) => data)) };
}

/** @throws SealError SEALED_CHILD_FAILED when heads and payload disagree */
export function decodeValues(heads: readonly TensorHead[], payload: Uint8Array): Map<string, RuntimeTensor> {
  const total = heads.reduce((sum, head) => sum + head.byteLength, 0);
  if (total !== payload.length) throw new SealError('SEALED_CHILD_FAILED', { fields: { fault: 'payload' } });
  let at = 0;
  return new Map(
    heads.map(({ name, dtype, shape, byteLength }) => {
      const data = payload.slice(at, at + byteLength);
      at += byteLength;
      return [name, { dtype, shape, data }];
    }),
  );
}

/** A failure as it crosses the pipe: code and fields, never a message or a stack. */
export function toFailure(requestId: number, error: unknown): Answer {
  const isCoded = error instanceof ModelwardError;
  return {
    kind: 'failed',
    id: requestId,
    code: isCoded ? error.code : 'SEALED_CHILD_FAILED',
    fields: isCoded ? { ...error.fields } : {},
  };
}

/** The error of a failure; a code of another version becomes SEALED_CHILD_FAILED. */
export function toError({ code, fields }: Extract<Answer, { kind: 'failed' }>): ModelwardError {
  if (!Object.hasOwn(ERRORS, code)) return new SealError('SEALED_CHILD_FAILED', { fields: { code } });
  return new ModelwardError(code as ErrorCode, { fields: fields as ErrorFields });
}

/** The request or answer in a frame, or undefined when it is none. */
export function findMessage<T>(schema: z.ZodType<T>, frame: Frame): T | undefined {
  const parsed = schema.safeParse(frame.head);
  return parsed.success ? parsed.data : undefined;
}
