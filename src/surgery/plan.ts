/** The edit plan (docs/spec/edit-plan.md): what was done, as plain records that can be kept, read, and replayed. */
import { z } from 'zod';
import { SurgeryError } from '../core/errors.ts';
import { SURGERY_LIMITS } from '../core/limits/surgery.ts';
import { toPlainJson } from './draft/json.ts';
import { isVerb, type VerbArgs, type VerbName, VERBS } from './verbs/table.ts';

/** One verb with its arguments. */
export type EditStep = { readonly [V in VerbName]: { readonly verb: V } & VerbArgs<V> }[VerbName];

export interface EditPlan {
  readonly format: 'modelward-edit-plan';
  readonly version: 1;
  readonly steps: readonly EditStep[];
}

const planSchema = z.strictObject({
  format: z.literal('modelward-edit-plan'),
  version: z.literal(1),
  steps: z.array(z.looseObject({ verb: z.string() })).max(SURGERY_LIMITS.stepsMax),
});

export function toEditPlan(steps: readonly EditStep[]): EditPlan {
  return Object.freeze({ format: 'modelward-edit-plan', version: 1, steps: Object.freeze([...steps]) });
}

/**
 * The plan as a JSON text; tensor bytes become base64. {@link parseEditPlan} reads it.
 * @throws SurgeryError SURGERY_PLAN_TOO_LARGE
 */
export function formatEditPlan(plan: EditPlan): string {
  const bytes = plan.steps.reduce((sum, step) => sum + countTensorBytes(step), 0);
  if (bytes > SURGERY_LIMITS.planTensorBytesMax) {
    const { planTensorBytesMax } = SURGERY_LIMITS;
    throw new SurgeryError('SURGERY_PLAN_TOO_LARGE', { fields: { bytes, bytesMax: planTensorBytesMax } });
  }
  const steps = plan.steps.map((step) => JSON.stringify(toPlainJson(step)));
  // One step a line: plans are read and compared by people.
  return `{"format":"${plan.format}","version":${plan.version},"steps":[\n${steps.join(',\n')}\n]}\n`;
}

function countTensorBytes(value: unknown): number {
  if (value instanceof Uint8Array) return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce((sum: number, inner) => sum + countTensorBytes(inner), 0);
}

/**
 * Reads a plan from its JSON value or text.
 * @throws SurgeryError SURGERY_PLAN_MALFORMED, with the place of the fault
 */
export function parseEditPlan(input: unknown): EditPlan {
  const parsed = planSchema.safeParse(typeof input === 'string' ? parseJson(input) : input);
  if (!parsed.success) throw toMalformed('', parsed.error);
  return toEditPlan(parsed.data.steps.map((step, at) => parseStep(step, at)));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SurgeryError('SURGERY_PLAN_MALFORMED', { fields: { at: 'not JSON' } });
  }
}

function parseStep(step: { readonly verb: string }, at: number): EditStep {
  const { verb, ...args } = step;
  if (!isVerb(verb)) throw new SurgeryError('SURGERY_PLAN_MALFORMED', { fields: { at: `steps.${at}.verb`, verb } });
  return parseArgs(verb, args, `steps.${at}`);
}

/** Checks the arguments of a verb. @throws SurgeryError SURGERY_PLAN_MALFORMED */
export function parseArgs(verb: VerbName, args: unknown, at: string): EditStep {
  const result = VERBS[verb].schema.safeParse(args);
  if (!result.success) throw toMalformed(`${at} ${verb}`, result.error);
  return { verb, ...result.data } as EditStep;
}

function toMalformed(at: string, error: z.ZodError): SurgeryError {
  const places = error.issues.slice(0, 4).map((issue) => issue.path.map(String).join('.'));
  return new SurgeryError('SURGERY_PLAN_MALFORMED', {
    fields: { at: `${at} ${places.join(', ')}`.trim().slice(0, 200) },
  });
}
