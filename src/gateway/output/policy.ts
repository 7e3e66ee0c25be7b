/** What a caller may see of an answer: outputs hidden, classes instead of scores, few scores, or few decimals. */
import type { ModelSignature, NamedTensor, OutputPolicy, TensorSignature } from '../ports.ts';
import { toArgmax } from './argmax.ts';
import { roundTensor } from './round.ts';
import { keepLargest } from './top-k.ts';

/** True when answers have to be read and written anew. */
export function isRestricting(policy: OutputPolicy): boolean {
  return policy.isLabelOnly || policy.topK !== null || policy.decimals !== null || policy.hidden.length > 0;
}

/**
 * The outputs as the policy leaves them, in their order. Those that nothing happens to are the same objects; no value of
 * `outputs` is changed in place, since several callers may share one run.
 *
 * 1. Hidden outputs are not there. 2. Label only: outputs of floats become the index of the largest value of each row
 * (i64, without the last axis); those without rows, which are scores all the same, are not there. 3. Top k: of each row the
 * k largest are kept and the others are 0. 4. Decimals: floats are rounded. A row runs along the last axis of outputs of
 * two axes or more, and along the only axis of those whose length is declared. Integers and truth values stay.
 * @param signature as declared; null where nothing was
 */
export function applyPolicy(
  outputs: readonly NamedTensor[],
  policy: OutputPolicy,
  signature: ModelSignature | null,
): readonly NamedTensor[] {
  if (!isRestricting(policy)) return outputs;
  const { hidden, isLabelOnly, topK, decimals } = policy;
  const visible: NamedTensor[] = [];
  for (const output of outputs) {
    if (hidden.includes(output.name)) continue;
    if (!isScore(output)) visible.push(output);
    else if (isLabelOnly) {
      if (hasRows(output, signature)) visible.push(toArgmax(output));
    } else {
      const kept = topK !== null && hasRows(output, signature) ? keepLargest(output, topK) : output;
      visible.push(decimals === null ? kept : roundTensor(kept, decimals));
    }
  }
  return visible;
}

/** The signature of what the policy leaves: for metadata, and for what may be asked for. */
export function toVisible(signature: ModelSignature, policy: OutputPolicy): ModelSignature {
  if (!policy.isLabelOnly && policy.hidden.length === 0) return signature;
  const outputs = signature.outputs.flatMap((output): TensorSignature[] => {
    if (policy.hidden.includes(output.name)) return [];
    if (!policy.isLabelOnly || !isScore(output)) return [output];
    if (output.shape.length < 2 && typeof output.shape[0] !== 'number') return [];
    return [{ name: output.name, dtype: 'i64', shape: output.shape.slice(0, -1) }];
  });
  return { inputs: signature.inputs, outputs };
}

function isScore({ dtype }: { readonly dtype: string }): boolean {
  return dtype === 'f32' || dtype === 'f64' || dtype === 'f16' || dtype === 'bf16';
}

function hasRows({ name, shape }: NamedTensor, signature: ModelSignature | null): boolean {
  if (shape.length !== 1) return shape.length > 1;
  const declared = signature?.outputs.find((output) => output.name === name)?.shape;
  return declared?.length === 1 && declared[0] !== null;
}
