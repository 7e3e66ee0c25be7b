/** What happens to a model on its way: converted, re-encoded, rewritten by an engine. */
import { toGguf, toSafetensors } from '../../../formats/index.ts';
import type { RewritePlan } from '../../../source/rewrite.ts';
import type { OptimizationLevel } from '../../../model/runtime.ts';
import type { ModelAttack } from './types.ts';

const OPTIMIZATION_LEVELS: readonly OptimizationLevel[] = ['basic', 'extended', 'all'];
const CONVERSIONS = ['safetensors', 'gguf'] as const;

export const FILE_ATTACKS: readonly ModelAttack[] = [
  {
    ...{ id: 'convert', group: 'files', title: 'tensors converted to another format', unit: 'format' },
    ...{ strengths: CONVERSIONS, accepts: { kind: 'choice', values: CONVERSIONS } },
    run: (model, strength) => {
      const name = `copy.${strength}`;
      const { plan } = strength === 'gguf' ? toGguf(model, name) : toSafetensors(model, name);
      return { plan, name };
    },
  },
  {
    ...{ id: 'optimize', group: 'files', title: 'rewritten by ONNX Runtime', unit: 'level' },
    ...{ strengths: OPTIMIZATION_LEVELS, accepts: { kind: 'choice', values: OPTIMIZATION_LEVELS } },
    run: async (model, strength, { optimize }) => {
      const bytes = await optimize(model, strength as OptimizationLevel);
      return { plan: toBytesPlan(bytes), name: 'copy.onnx' };
    },
  },
];

function toBytesPlan(bytes: Uint8Array): RewritePlan {
  return { files: [{ name: 'copy.onnx', ops: [{ kind: 'bytes', bytes }] }] };
}
