/** Large bodies are read by other threads, so that reading one holds nobody else up. */
import { GatewayError } from '../../core/errors.ts';
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';
import { type DecodeOutcome, type DecodeTask, pickTaskHeaders, runDecodeTask } from '../protocols/decode-task.ts';
import { type PlanOutcome, type PlanTask, runPlanTask } from '../protocols/plan-task.ts';
import type { DecodedRequest, RequestBytes, UpstreamPlan } from '../protocols/ports.ts';

/** What a thread is asked: of plain values. */
export type ReadJob =
  | { readonly kind: 'decode'; readonly task: DecodeTask }
  | { readonly kind: 'plan'; readonly task: PlanTask };

/** Runs in the thread. */
export function runReadJob(job: ReadJob): DecodeOutcome | PlanOutcome {
  return job.kind === 'decode' ? runDecodeTask(job.task) : runPlanTask(job.task);
}

export interface BodyReader {
  /** @throws GatewayError what reading throws; GATEWAY_OVERLOADED where too many wait */
  decode(task: DecodeTask): Promise<DecodedRequest>;
  /** @throws as {@link decode} */
  plan(task: PlanTask): Promise<UpstreamPlan>;
}

export interface BodyReaderOptions {
  /** Gives a job to a thread. @throws when the thread ended without an answer */
  readonly run: (job: ReadJob) => Promise<unknown>;
}

export function createBodyReader({ run }: BodyReaderOptions): BodyReader {
  let underWay = 0;
  const ask = async (job: ReadJob): Promise<unknown> => {
    if (underWay >= GATEWAY_LIMITS.readsMax) throw new GatewayError('GATEWAY_OVERLOADED');
    underWay++;
    try {
      return await run(job);
    } finally {
      underWay--;
    }
  };
  return {
    decode: async (task) => {
      const request = toOwn(task.request);
      const outcome = (await ask({ kind: 'decode', task: { ...task, request } })) as DecodeOutcome;
      if (outcome.isDecoded) return outcome.request;
      throw new GatewayError(outcome.code, { fields: outcome.fields });
    },
    plan: async (task) => {
      const request = toOwn(task.request);
      const outcome = (await ask({ kind: 'plan', task: { ...task, request } })) as PlanOutcome;
      if (!outcome.isPlanned) throw new GatewayError(outcome.code, { fields: outcome.fields });
      const { plan, isBodySame } = outcome;
      return isBodySame ? { ...plan, request: { ...plan.request, body: task.request.body } } : plan;
    },
  };
}

/** A view would take all of its memory along: it is copied. */
function toOwn({ headers, body }: RequestBytes): RequestBytes {
  const isView = body.byteLength !== body.buffer.byteLength;
  return { headers: pickTaskHeaders(headers), body: isView ? new Uint8Array(body) : body };
}
