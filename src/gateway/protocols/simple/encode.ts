/** Answers of the simple protocols. */
import { GatewayError } from '../../../core/errors.ts';
import type { GatewayAnswer, NamedTensor } from '../../ports.ts';
import { toNestedText, toTokens } from '../../tensors/text.ts';
import { toJsonAnswer } from '../errors.ts';
import type { AnswerExtras, AnswerForm, AnsweringModel } from '../ports.ts';

/** @throws GatewayError GATEWAY_ANSWER_VALUE | GATEWAY_ANSWER_SHAPE: the outputs have no such form */
export function encodeSimple(
  form: AnswerForm,
  _model: AnsweringModel,
  outputs: readonly NamedTensor[],
  extras: AnswerExtras = {},
): GatewayAnswer {
  const decimals = extras.decimals ?? null;
  switch (form.layout) {
    case 'outputs':
      return toJsonAnswer(200, `{"outputs":${toObject(outputs, decimals)}}`);
    case 'predictions':
      return toJsonAnswer(200, `{"predictions":[${toRows(outputs, decimals).join(',')}]}`);
    case 'csv':
      return { status: 200, headers: [['content-type', 'text/csv']], body: Buffer.from(toCsv(outputs, decimals)) };
    case 'bytes':
      if (outputs.length !== 1) fail('outputs', 'several outputs have no one form in bytes');
      return { status: 200, headers: [['content-type', 'application/octet-stream']], body: outputs[0].data };
    default:
      return toJsonAnswer(200, outputs.length === 1 ? toNested(outputs[0], decimals) : toObject(outputs, decimals));
  }
}

const toNested = (tensor: NamedTensor, decimals: number | null): string =>
  toNestedText(toTokens(tensor, decimals), tensor.shape);

function toObject(outputs: readonly NamedTensor[], decimals: number | null): string {
  const members = outputs.map((tensor) => `${JSON.stringify(tensor.name)}:${toNested(tensor, decimals)}`);
  return `{${members.join(',')}}`;
}

/** One value for each row: that of the only output, or an object with a row of each. */
function toRows(outputs: readonly NamedTensor[], decimals: number | null): readonly string[] {
  const columns = outputs.map((tensor) => toRowTexts(tensor, decimals));
  if (columns.length === 1) return columns[0];
  return toRowIndexes(columns).map((row) => {
    const members = columns.map((column, i) => `${JSON.stringify(outputs[i].name)}:${column[row]}`);
    return `{${members.join(',')}}`;
  });
}

/** A line for each row, the values of all outputs side by side. */
function toCsv(outputs: readonly NamedTensor[], decimals: number | null): string {
  const columns = outputs.map((tensor) => splitRows(toTokens(tensor, decimals), tensor).map((row) => row.join(',')));
  return toRowIndexes(columns)
    .map((row) => `${columns.map((column) => column[row]).join(',')}\n`)
    .join('');
}

function toRowTexts(tensor: NamedTensor, decimals: number | null): readonly string[] {
  const inner = tensor.shape.slice(1);
  return splitRows(toTokens(tensor, decimals), tensor).map((row) => toNestedText(row, inner));
}

function splitRows(tokens: readonly string[], { shape, name }: NamedTensor): readonly (readonly string[])[] {
  if (shape.length === 0) fail(name, 'an output without rows');
  const width = shape[0] === 0 ? 0 : tokens.length / shape[0];
  return Array.from({ length: shape[0] }, (_, row) => tokens.slice(row * width, (row + 1) * width));
}

function toRowIndexes(columns: readonly (readonly string[])[]): readonly number[] {
  const rows = columns[0]?.length ?? 0;
  if (columns.some((column) => column.length !== rows)) fail('outputs', 'outputs of different numbers of rows');
  return Array.from({ length: rows }, (_, row) => row);
}

function fail(at: string, problem: string): never {
  throw new GatewayError('GATEWAY_ANSWER_SHAPE', { fields: { at, problem } });
}
