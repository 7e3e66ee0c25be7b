/** What goes through the queue (docs/spec/fleet-queue.md): a job, and the result of one. Both are checked by who reads them. */
import { basename, join, relative, sep } from 'node:path';
import { z } from 'zod';
import { toCanonicalJsonBytes } from '../../../core/canonical-json.ts';
import { toHex } from '../../../core/bytes.ts';
import { QueueError } from '../../../core/errors.ts';
import { sha256 } from '../../../core/hash.ts';
import { QUEUE_LIMITS } from '../../../core/limits/queue.ts';
import { SURGERY_LIMITS } from '../../../core/limits/surgery.ts';
import { toPathBelow } from '../../../source/below.ts';
import { findContainedParts } from '../../../source/names.ts';
import { type Problem, type RuleId, RULES } from '../../../surgery/index.ts';
import type { FleetItem, FleetJob } from '../fleet.ts';

/** One model to edit. Paths are relative to the folder that all machines share, with "/". */
const jobSchema = z.strictObject({
  format: z.literal('modelward-fleet-job'),
  version: z.literal(1),
  model: z.string().max(QUEUE_LIMITS.pathCharsMax),
  out: z.string().max(QUEUE_LIMITS.pathCharsMax),
  /** JSON text of an edit plan (docs/spec/edit-plan.md). */
  plan: z.string().max(QUEUE_LIMITS.planBytesMax),
  force: z.boolean(),
});

export type JobMessage = z.infer<typeof jobSchema>;

const name = z.string().max(QUEUE_LIMITS.nameCharsMax);
const problems = z
  .array(
    z.strictObject({
      rule: z.enum(Object.keys(RULES) as [RuleId, ...RuleId[]]),
      severity: z.enum(['error', 'warning']),
      ...{ scope: name, name, node: name },
    }),
  )
  .max(SURGERY_LIMITS.problemsMax);
const head = { format: z.literal('modelward-fleet-result'), version: z.literal(1) } as const;

const resultSchema = z.discriminatedUnion('outcome', [
  z.strictObject({
    ...head,
    outcome: z.literal('edited'),
    /** The model's main file inside the folder `out`; null when `out` is the file. */
    file: z.string().max(QUEUE_LIMITS.pathCharsMax).nullable(),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .nullable(),
    steps: z.int().min(0).max(SURGERY_LIMITS.stepsMax),
    ...{ inherited: problems, warnings: problems },
  }),
  z.strictObject({ ...head, outcome: z.literal('present') }),
  z.strictObject({
    ...head,
    outcome: z.literal('failed'),
    code: z.string().regex(/^[A-Z][A-Z0-9_]{1,63}$/),
    message: z.string().max(QUEUE_LIMITS.messageCharsMax),
  }),
]);

export type ResultMessage = z.infer<typeof resultSchema>;

const RESULT = { format: 'modelward-fleet-result', version: 1 } as const;

/**
 * The message of a job whose files lie below `root` (an absolute path, not looked up on disk).
 * @throws QueueError QUEUE_OUTSIDE_ROOT | QUEUE_PLAN_TOO_LARGE
 */
export function toJobMessage(root: string, { path, out, plan, force }: FleetJob): JobMessage {
  const bytes = Buffer.byteLength(plan);
  const { planBytesMax: bytesMax } = QUEUE_LIMITS;
  if (bytes > bytesMax) throw new QueueError('QUEUE_PLAN_TOO_LARGE', { fields: { bytes, bytesMax } });
  const paths = { model: toNameBelow(root, path), out: toNameBelow(root, out) };
  return { format: 'modelward-fleet-job', version: 1, ...paths, plan, force };
}

function toNameBelow(root: string, path: string): string {
  const below = relative(root, path).split(sep).join('/');
  if (findContainedParts(below) === undefined) {
    throw new QueueError('QUEUE_OUTSIDE_ROOT', { fields: { file: basename(path) } });
  }
  return below;
}

/** The id of a job: a UUID (RFC 9562, version 8) of what it says, so that the same job is never queued twice. */
export function toJobId(message: JobMessage): string {
  const bytes = sha256(toCanonicalJsonBytes(message)).slice(0, 16);
  bytes[6] = 0x80 | (bytes[6] & 0x0f);
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  return toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export interface AcceptOptions {
  /** Absolute path of the folder that the worker may read and write below. */
  readonly root: string;
  /** False: a job that would replace a file is refused. */
  readonly mayReplace: boolean;
}

/**
 * The job that a message asks for, with absolute paths.
 * @throws QueueError QUEUE_JOB_REFUSED
 * @throws SourceError SOURCE_OUTSIDE_FOLDER | SOURCE_LINK_REFUSED
 */
export function acceptJob(data: unknown, { root, mayReplace }: AcceptOptions): FleetJob {
  const parsed = jobSchema.safeParse(data);
  if (!parsed.success) throw refused('form');
  const { model, out, plan, force } = parsed.data;
  if (Buffer.byteLength(plan) > QUEUE_LIMITS.planBytesMax) throw refused('plan');
  if (force && !mayReplace) throw refused('force');
  const job = { path: toPathBelow(root, model), out: toPathBelow(root, out), plan, force };
  // A copy bears the name of its model: a job cannot choose names that mean something to others.
  if (job.path === job.out || basename(job.path) !== basename(job.out)) throw refused('out');
  return job;
}

const REASONS = {
  form: 'The worker refused the job: it is malformed, or of another version of modelward.',
  plan: 'The worker refused the job: its plan is too large.',
  force: 'The worker refused the job: it would replace a file, and the worker was started without --allow-replace.',
  out: 'The worker refused the job: the copy must have the name of its model, in another folder.',
} as const;

function refused(at: keyof typeof REASONS): QueueError {
  return new QueueError('QUEUE_JOB_REFUSED', { message: REASONS[at], fields: { at } });
}

/** What the worker answers to `job`. */
export function toResultMessage(job: FleetJob, item: FleetItem): ResultMessage {
  if (item.outcome === 'present') return { ...RESULT, outcome: 'present' };
  if (item.outcome === 'failed') {
    return toFailure(item.code, item.message);
  }
  const { edited, steps, inherited, warnings } = item;
  return {
    ...RESULT,
    outcome: 'edited',
    file: edited === null || edited.path === job.out ? null : basename(edited.path),
    sha256: edited?.sha256 ?? null,
    steps,
    inherited: inherited.map(toShortProblem),
    warnings: warnings.map(toShortProblem),
  };
}

/** The answer to a job that was not done. */
export function toFailure(code: string, message: string): ResultMessage {
  return { ...RESULT, outcome: 'failed', code, message: toStorable(message, QUEUE_LIMITS.messageCharsMax) };
}

function toShortProblem({ rule, severity, scope, name: value, node }: Problem): Problem {
  const short = (text: string): string => toStorable(text, QUEUE_LIMITS.nameCharsMax);
  return { rule, severity, scope: short(scope), name: short(value), node: short(node) };
}

/** Names come from models: NUL and lone surrogates, which jsonb refuses, must not end the worker that met them. */
function toStorable(text: string, charsMax: number): string {
  return text.slice(0, charsMax).replace(/[\0\p{Surrogate}]/gu, '\ufffd');
}

/**
 * What a result says of a job. Paths are those of the job, never the worker's.
 * @throws QueueError QUEUE_RESULT_REFUSED
 */
export function acceptResult(result: unknown, { path, out }: FleetJob): FleetItem {
  const parsed = resultSchema.safeParse(result);
  if (!parsed.success) throw new QueueError('QUEUE_RESULT_REFUSED');
  const { data } = parsed;
  if (data.outcome === 'present') return { path, outcome: 'present', out };
  if (data.outcome === 'failed') return { path, outcome: 'failed', code: data.code, message: data.message };
  const { file, steps, inherited, warnings } = data;
  if (file !== null && findContainedParts(file)?.length !== 1) throw new QueueError('QUEUE_RESULT_REFUSED');
  const edited = { path: file === null ? out : join(out, file), sha256: data.sha256 };
  return { path, outcome: 'edited', edited, plan: null, steps, inherited, warnings };
}
