/** Puts the green list in front of a decoder's scores, by graph surgery; and takes it out (docs/spec/text-mark.md §3). */
import { WatermarkError } from '../../core/errors.ts';
import { isFloatDType } from '../../model/floats.ts';
import type { Model } from '../../model/types.ts';
import { editGraph, type GraphEdit, type Transaction, type ValueJson } from '../../surgery/index.ts';
import { listMarkIds, MarkBuilder, type MarkId, removeMark } from '../output/builder.ts';
import { findOutputType } from '../output/outputs.ts';
import type { GreenList } from './green.ts';

const KIND = 'text';

/** Where a decoder takes tokens and gives scores. */
export interface TextPlaces {
  readonly tokens: string;
  readonly logits: string;
  readonly vocabulary: number;
}

function toUnfit(reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_TEXT_UNFIT', { fields: { reason } });
}

/**
 * The input of token ids and the output of scores: those named, else `input_ids` and `logits`, else the only ones that fit.
 * @throws WatermarkError WATERMARK_TEXT_UNFIT
 */
export function findTextPlaces(
  model: Model,
  named: { readonly tokens?: string | undefined; readonly logits?: string | undefined } = {},
): TextPlaces {
  const { graph } = model;
  if (graph === null || model.format !== 'onnx') throw toUnfit('only ONNX graphs can be edited so');
  const inputs = graph.inputs.filter(({ dtype, shape }) => isId(dtype) && shape?.length === 2);
  const tokens = choose(
    inputs.map(({ name }) => name),
    named.tokens,
    'input_ids',
    'input of token ids [batch, tokens]',
  );
  const outputs = graph.outputs.filter(({ dtype, shape }) => dtype !== null && isFloatDType(dtype) && isScores(shape));
  const logits = choose(
    outputs.map(({ name }) => name),
    named.logits,
    'logits',
    'output of scores […, vocabulary]',
  );
  const vocabulary = outputs.find(({ name }) => name === logits)?.shape?.at(-1);
  return { tokens, logits, vocabulary: Number(vocabulary) };
}

const isId = (dtype: string | null | undefined): boolean => dtype === 'i64' || dtype === 'i32';

function isScores(shape: readonly (number | string | null)[] | null | undefined): boolean {
  return (shape?.length === 2 || shape?.length === 3) && typeof shape.at(-1) === 'number';
}

function choose(fitting: readonly string[], named: string | undefined, usual: string, what: string): string {
  const wanted = named ?? (fitting.includes(usual) ? usual : fitting.length === 1 ? fitting[0] : undefined);
  if (wanted !== undefined && fitting.includes(wanted)) return wanted;
  const choice = fitting.length === 0 ? 'none does' : `those that do: ${fitting.join(', ')}`;
  throw toUnfit(wanted === undefined ? `no ${what} stands out; ${choice}` : `"${wanted}" is no ${what}; ${choice}`);
}

/**
 * scores' = scores + bias · T[bucket[tokens]], the last token of each sequence alone where the model gives one row.
 * @param id 8 hex digits
 * @throws WatermarkError WATERMARK_TEXT_UNFIT | WATERMARK_LABEL_PRESENT; SurgeryError
 */
export function editTextMark(model: Model, id: string, green: GreenList): GraphEdit {
  return editGraph(model, (tx) => {
    if (listMarkIds(tx).some(({ kind }) => kind === KIND)) {
      throw new WatermarkError('WATERMARK_LABEL_PRESENT', { fields: { kind: KIND, id } });
    }
    addBias(tx, { kind: KIND, id }, green);
  });
}

function addBias(tx: Transaction, id: MarkId, green: GreenList): void {
  const { params, buckets } = green;
  const { dtype, shape } = findOutputType(tx, params.logits);
  const builder = new MarkBuilder(tx, id);
  builder.onOutput({ output: params.logits, use: 'scores' }, (value) => {
    const table = { dtype: 'i32', shape: [params.vocabulary], data: new Uint8Array(buckets.buffer) } as const;
    const places = builder.constant('buckets', table);
    const context = toContext(tx, builder, params.tokens, shape);
    const row = builder.node('Gather', [places, context], { axis: { int: 0 } });
    const list = builder.constant('list', toTable(green));
    const isGreen = builder.node('Gather', [list, row], { axis: { int: 0 } });
    const share = builder.node('Cast', [isGreen], { to: { int: toOnnxType(dtype) } });
    return { op: 'Add', inputs: [value, builder.node('Mul', [share, builder.scalar('bias', dtype, params.bias)])] };
  });
}

/** Numbers of the element types that scores have (onnx.proto, TensorProto.DataType). */
const ONNX_TYPES: ReadonlyMap<string, number> = new Map([
  ['f32', 1],
  ['f16', 10],
  ['f64', 11],
  ['bf16', 16],
]);

function toOnnxType(dtype: string): number {
  const type = ONNX_TYPES.get(dtype);
  if (type === undefined) throw toUnfit(`scores are ${dtype}`);
  return type;
}

/** The tokens that the rows of scores follow. */
function toContext(tx: Transaction, builder: MarkBuilder, tokens: string, shape: ValueJson['shape'] & object): string {
  const given = tx.scope().inputs.find(({ name }) => name === tokens)?.shape;
  const isLastOnly = shape.length === 2 || (shape[1] === 1 && given?.[1] !== 1);
  if (!isLastOnly) return tokens;
  const index = { dtype: 'i64', shape: shape.length === 2 ? [] : [1], values: [-1] } as const;
  return builder.node('Gather', [tokens, builder.constant('last', index)], { axis: { int: 1 } });
}

function toTable(green: GreenList) {
  const { buckets, vocabulary } = green.params;
  const data = new Uint8Array(buckets * vocabulary);
  for (let bucket = 0; bucket < buckets; bucket++) data.set(green.toRow(bucket), bucket * vocabulary);
  return { dtype: 'u8', shape: [buckets, vocabulary], data } as const;
}

/**
 * Takes the text mark out of a copy.
 * @throws WatermarkError WATERMARK_OUTPUT_ABSENT when there is none; WATERMARK_LABEL_DAMAGED
 */
export function editTextMarkRemoval(model: Model): GraphEdit {
  return editGraph(model, (tx) => {
    const found = listMarkIds(tx).find(({ kind }) => kind === KIND);
    if (found === undefined) throw new WatermarkError('WATERMARK_OUTPUT_ABSENT', { fields: { kind: KIND } });
    removeMark(tx, found);
  });
}
