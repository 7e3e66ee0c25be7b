/** Formats that ask tensors: plain JSON, KServe v1 and TensorFlow Serving, the Open Inference Protocol, TorchServe. */
import type { DType } from '../../../model/dtype.ts';
import { toValues } from '../../../fidelity/index.ts';
import type { Question, QuestionInput } from '../questions.ts';
import { findFirstMember, findMember, toClassAnswer, toEntries } from './json.ts';
import type { FormatContext, RequestFormat } from './types.ts';

/** Numbers as nested lists of `shape`; a scalar as a number. */
export function toNested({ dtype, shape, data }: QuestionInput): unknown {
  const values = toValues({ dtype, shape, data });
  let at = 0;
  const nest = (axis: number): unknown =>
    axis === shape.length ? values[at++] : Array.from({ length: shape[axis] }, () => nest(axis + 1));
  return nest(0);
}

export function toInputs(question: Question): readonly QuestionInput[] {
  if (question.kind !== 'tensors') throw new TypeError('this format asks tensors');
  return question.inputs;
}

/** One item: the value itself of a model with one input, else an object by name. */
function toInstance(question: Question): unknown {
  const inputs = toInputs(question);
  if (inputs.length === 1) return toNested(inputs[0]);
  return Object.fromEntries(inputs.map((input) => [input.name, toNested(input)]));
}

function readEntries(list: unknown, count: number, context: FormatContext): ReturnType<RequestFormat['read']> {
  return toEntries(list, count).map((entry) => toClassAnswer(entry, context));
}

/** {"inputs": [item, …]} → {"outputs": [answer, …]}, "predictions" or "scores" likewise, or the bare list. */
export const plainFormat: RequestFormat = {
  kind: 'tensors',
  isBatched: true,
  write: (questions) => ({ inputs: questions.map(toInstance) }),
  read: (reply, count, context) => {
    const list = Array.isArray(reply)
      ? reply
      : findFirstMember(reply, ['outputs', 'predictions', 'scores', 'logits', 'labels', 'output']);
    return readEntries(list, count, context);
  },
};

/** {"instances": [item, …]} → {"predictions": [answer, …]}: KServe v1, TensorFlow Serving, MLflow, Vertex AI. */
export const instancesFormat: RequestFormat = {
  kind: 'tensors',
  isBatched: true,
  write: (questions) => ({ instances: questions.map(toInstance) }),
  read: (reply, count, context) => readEntries(findMember(reply, 'predictions'), count, context),
};

/** One item per request: {"data": item} → scores, a class, or scores by class name, as TorchServe's handlers answer. */
export const torchserveFormat: RequestFormat = {
  kind: 'tensors',
  isBatched: false,
  write: ([question]) => ({ data: toInstance(question) }),
  read: (reply, _count, context) => [toClassAnswer(reply, context)],
};

/** @see https://github.com/kserve/open-inference-protocol, "Inference REST API", tensor data types */
const OIP_DTYPES: Readonly<Partial<Record<DType, string>>> = Object.assign(Object.create(null) as object, {
  ...{ bool: 'BOOL', u8: 'UINT8', u16: 'UINT16', u32: 'UINT32', u64: 'UINT64' },
  ...{ i8: 'INT8', i16: 'INT16', i32: 'INT32', i64: 'INT64', f16: 'FP16', bf16: 'BF16', f32: 'FP32', f64: 'FP64' },
});

/** The Open Inference Protocol (KServe v2, Triton): tensors by name with shape and type, row-major. */
export const oipFormat: RequestFormat = {
  kind: 'tensors',
  isBatched: true,
  write: (questions, { hasBatchAxis }) => {
    const all = questions.map(toInputs);
    const inputs = all[0].map(({ name, dtype, shape }, position) => ({
      name,
      shape: hasBatchAxis ? [questions.length, ...shape] : shape,
      datatype: OIP_DTYPES[dtype] ?? 'FP32',
      data: all.flatMap((one) => toNumbers(one[position])),
    }));
    return { inputs };
  },
  read: (reply, count, context) => {
    const outputs = findMember(reply, 'outputs');
    if (!Array.isArray(outputs)) return Array<null>(count).fill(null);
    const named = (outputs as unknown[]).find((output) => findMember(output, 'name') === context.output);
    const output: unknown = named ?? outputs[0];
    return readFlat(findMember(output, 'data'), count, context);
  },
};

function toNumbers(input: QuestionInput): readonly (number | boolean)[] {
  const values = toValues(input);
  return input.dtype === 'bool' ? Array.from(values, Boolean) : [...values];
}

/** `count` rows of classes, or `count` class numbers, in one list; lists of lists are taken as they are. */
function readFlat(data: unknown, count: number, context: FormatContext): ReturnType<RequestFormat['read']> {
  if (!Array.isArray(data)) return Array<null>(count).fill(null);
  const list = data as unknown[];
  const width = list.length / count;
  if (Array.isArray(list[0]) || width === 1) return readEntries(list, count, context);
  if (!Number.isInteger(width)) return Array<null>(count).fill(null);
  return Array.from({ length: count }, (_, row) => toClassAnswer(list.slice(row * width, (row + 1) * width), context));
}
