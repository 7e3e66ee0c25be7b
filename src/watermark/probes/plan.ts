/** What one probe is: the rule for every input of a model, or the form of a text (docs/spec/remote-check.md §3). */
import { z } from 'zod';
import { RemoteError } from '../../core/errors.ts';
import { REMOTE_LIMITS } from '../../core/limits/remote.ts';
import { type DType, DTYPES, findElementCount } from '../../model/dtype.ts';
import { PROBE_FAMILIES } from './families.ts';

const isDType = (text: string): text is DType => Object.hasOwn(DTYPES, text);

/** How one input is filled. */
const ruleSchema = z.discriminatedUnion('kind', [
  /** A keyed pattern, scaled from [0, 1] to [low, high]. */
  z.strictObject({ kind: z.literal('pattern'), low: z.number(), high: z.number() }),
  /** Whole numbers in [0, bound): tokens, indices, bytes. */
  z.strictObject({
    kind: z.literal('below'),
    bound: z
      .number()
      .int()
      .min(2)
      .max(2 ** 32),
  }),
  /** The same number everywhere: masks, first states, switches. */
  z.strictObject({ kind: z.literal('constant'), value: z.number() }),
]);

const inputSchema = z.strictObject({
  name: z.string().max(4096),
  dtype: z.string().refine(isDType),
  /** Shape of one item, without the batch axis. */
  shape: z
    .array(
      z
        .number()
        .int()
        .min(1)
        .max(2 ** 31),
    )
    .max(32),
  rule: ruleSchema,
});

const tensorPlanSchema = z.strictObject({
  kind: z.literal('tensors'),
  family: z.enum(PROBE_FAMILIES),
  inputs: z.array(inputSchema).min(1).max(REMOTE_LIMITS.inputsMax),
  hasBatchAxis: z.boolean(),
  /** Name of the output whose arg-max is the answer. */
  output: z.string().max(4096),
  classes: z.number().int().min(2).max(REMOTE_LIMITS.classesMax),
});

const textPlanSchema = z.strictObject({
  kind: z.literal('text'),
  /** Words of a prompt. */
  words: z.number().int().min(4).max(64),
});

export const probePlanSchema = z.discriminatedUnion('kind', [tensorPlanSchema, textPlanSchema]);

export type ProbePlan = z.infer<typeof probePlanSchema>;
export type TensorPlan = z.infer<typeof tensorPlanSchema>;
export type TextPlan = z.infer<typeof textPlanSchema>;
export type ProbeInputPlan = z.infer<typeof inputSchema>;

/**
 * Checks what a schema cannot say: the sizes that making `count` probes would take, and ranges that are ranges.
 * @throws RemoteError PROBES_MODEL_UNFIT with the fault
 */
export function assertMakeable(plan: ProbePlan, count: number): void {
  if (plan.kind === 'text') return;
  const refuse = (fault: string): RemoteError => new RemoteError('PROBES_MODEL_UNFIT', { fields: { fault } });
  let elements = 0;
  for (const { shape, rule, name } of plan.inputs) {
    const size = findElementCount(shape);
    if (size === undefined || size > REMOTE_LIMITS.questionElementsMax) throw refuse(`input ${name} is too large`);
    if (rule.kind === 'pattern' && !(rule.high > rule.low)) throw refuse(`input ${name} has an empty range`);
    elements += size;
  }
  if (elements * count > REMOTE_LIMITS.setElementsMax) throw refuse('the probes together are too large');
  if (plan.inputs.every(({ rule }) => rule.kind === 'constant')) throw refuse('no input differs from probe to probe');
}
