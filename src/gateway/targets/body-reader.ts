/** Large bodies are read, and large answers written, by other threads, so that neither holds anybody else up. */
import { toOwnMemory } from '../../core/bytes.ts';
import { GatewayError } from '../../core/errors.ts';
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';
import { applyPolicy } from '../output/policy.ts';
import type { ModelSignature, NamedTensor, OutputPolicy } from '../ports.ts';
import { type DecodeOutcome, type DecodeTask, pickTaskHeaders, runDecodeTask } from '../protocols/decode-task.ts';
import { type EncodeOutcome, type EncodeTask, runEncodeTask, type WholeAnswer } from '../protocols/encode-task.ts';
import { type PlanOutcome, type PlanTask, runPlanTask } from '../protocols/plan-task.ts';
import type { DecodedRequest, RequestBytes, UpstreamPlan } from '../protocols/ports.ts';

/** What a caller may see of outputs. */
export interface ViewTask {
  readonly outputs: readonly NamedTensor[];
  readonly policy: OutputPolicy;
  readonly signature: ModelSignature;
}

/** What a thread is asked: of plain values. */
export type ReadJob =
  | { readonly kind: 'decode'; readonly task: DecodeTask }
  | { readonly kind: 'plan'; readonly task: PlanTask }
  | { readonly kind: 'view'; readonly task: ViewTask }
  | { readonly kind: 'encode'; readonly task: EncodeTask };

type ReadOutcome = DecodeOutcome | PlanOutcome | EncodeOutcome | { readonly seen: readonly NamedTensor[] };

/** Runs in the thread. */
export function runReadJob(job: ReadJob): ReadOutcome {
  switch (job.kind) {
    case 'decode':
      return runDecodeTask(job.task);
    case 'plan':
      return runPlanTask(job.task);
    case 'view':
      return { seen: applyPolicy(job.task.outputs, job.task.policy, job.task.signature) };
    case 'encode':
      return runEncodeTask(job.task);
  }
}

export interface BodyReader {
  /** @throws GatewayError what reading throws; GATEWAY_OVERLOADED where too many wait */
  decode(task: DecodeTask): Promise<DecodedRequest>;
  /** @throws as {@link decode} */
  plan(task: PlanTask): Promise<UpstreamPlan>;
  /** As `applyPolicy` gives it. */
  view(task: ViewTask): Promise<readonly NamedTensor[]>;
  /** @throws GatewayError what writing throws */
  encode(task: EncodeTask): Promise<WholeAnswer>;
}

export interface BodyReaderOptions {
  /** Gives a job to a thread. @throws when the thread ended without an answer */
  readonly run: (job: ReadJob) => Promise<unknown>;
}

export function createBodyReader({ run }: BodyReaderOptions): BodyReader {
  let underWay = 0;
  const read = async (job: ReadJob): Promise<unknown> => {
    if (underWay >= GATEWAY_LIMITS.readsMax) throw new GatewayError('GATEWAY_OVERLOADED');
    underWay++;
    try {
      return await run(job);
    } finally {
      underWay--;
    }
  };
  // Answers are not refused: their requests have their places among those at work.
  return {
    decode: async (task) => {
      const request = toOwnRequest(task.request);
      const outcome = (await read({ kind: 'decode', task: { ...task, request } })) as DecodeOutcome;
      if (outcome.isDecoded) return outcome.request;
      throw new GatewayError(outcome.code, { fields: outcome.fields });
    },
    plan: async (task) => {
      const request = toOwnRequest(task.request);
      const outcome = (await read({ kind: 'plan', task: { ...task, request } })) as PlanOutcome;
      if (!outcome.isPlanned) throw new GatewayError(outcome.code, { fields: outcome.fields });
      const { plan, isBodySame } = outcome;
      return isBodySame ? { ...plan, request: { ...plan.request, body: task.request.body } } : plan;
    },
    view: async (task) => {
      const outputs = toOwnOutputs(task.outputs);
      const { seen } = (await run({ kind: 'view', task: { ...task, outputs } })) as {
        readonly seen: readonly NamedTensor[];
      };
      return seen;
    },
    encode: async (task) => {
      const outputs = toOwnOutputs(task.outputs);
      const outcome = (await run({ kind: 'encode', task: { ...task, outputs } })) as EncodeOutcome;
      if (outcome.isEncoded) return outcome.answer;
      throw new GatewayError(outcome.code, { fields: outcome.fields });
    },
  };
}

const toOwnOutputs = (outputs: readonly NamedTensor[]): readonly NamedTensor[] =>
  outputs.map((output) => ({ ...output, data: toOwnMemory(output.data) }));

/** A view would take all of its memory along. */
function toOwnRequest({ headers, body }: RequestBytes): RequestBytes {
  return { headers: pickTaskHeaders(headers), body: toOwnMemory(body) };
}
