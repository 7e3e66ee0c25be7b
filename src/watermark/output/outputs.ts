/** What is declared of the outputs of a model, and how a mark declares them anew. */
import { WatermarkError } from '../../core/errors.ts';
import type { DType } from '../../model/dtype.ts';
import type { Transaction, ValueJson } from '../../surgery/index.ts';

export interface OutputType {
  readonly name: string;
  readonly dtype: DType;
  /** A number, a symbol, or null where unknown. */
  readonly shape: readonly (number | string | null)[];
}

/** @throws WatermarkError WATERMARK_OUTPUT_UNFIT with the reason */
export function toUnfit(output: string, reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_OUTPUT_UNFIT', { fields: { output, reason } });
}

/**
 * The declared type of an output.
 * @throws WatermarkError WATERMARK_OUTPUT_UNFIT when there is no such output, or nothing is declared of it
 */
export function findOutputType(tx: Transaction, name: string): OutputType {
  const outputs = tx.scope().outputs;
  const found = outputs.find((output) => output.name === name);
  if (found === undefined) {
    throw toUnfit(name, `the outputs are ${outputs.map((output) => output.name).join(', ')}`);
  }
  const { dtype, shape } = found;
  if (dtype === null || dtype === undefined || shape === null || shape === undefined) {
    throw toUnfit(name, 'its type is not declared');
  }
  return { name, dtype, shape };
}

/** Declares outputs with other shapes; their order stays. */
export function retypeOutputs(tx: Transaction, types: ReadonlyMap<string, Omit<ValueJson, 'name'>>): void {
  const outputs = tx.scope().outputs;
  const from = outputs.findIndex(({ name }) => types.has(name));
  if (from < 0) return;
  const moved = outputs.slice(from);
  for (const { name } of moved) tx.deleteOutput(name);
  for (const { name } of moved) {
    const type = types.get(name);
    tx.addOutput(name, ...(type === undefined ? [] : [type]));
  }
}

/** The shape with `added` more along an axis; what is not a number stays as it is. */
export function toGrown(type: OutputType, axis: number, added: number): Omit<ValueJson, 'name'> {
  const { dtype, shape } = type;
  return { dtype, shape: shape.map((dim, i) => (i === axis ? (typeof dim === 'number' ? dim + added : null) : dim)) };
}
