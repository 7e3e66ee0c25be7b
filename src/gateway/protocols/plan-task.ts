/** Reading what goes on to a server behind as another thread's work: plain values in, plain values out. */
import { type ErrorCode, type ErrorFields, GatewayError } from '../../core/errors.ts';
import type { Call, OutputPolicy } from '../ports.ts';
import { createUpstreamProtocol, type UpstreamSettings } from './choose.ts';
import type { PlanCaps, RequestBytes, UpstreamModel, UpstreamPlan } from './ports.ts';

/** Structured-cloneable. */
export interface PlanTask {
  readonly settings: UpstreamSettings;
  readonly call: Call;
  readonly request: RequestBytes;
  readonly model: UpstreamModel;
  readonly policy: OutputPolicy;
  readonly caps: PlanCaps;
}

/** Structured-cloneable; `body` null: as it came. */
export type PlanOutcome =
  | { readonly isPlanned: true; readonly plan: UpstreamPlan; readonly isBodySame: boolean }
  | { readonly isPlanned: false; readonly code: ErrorCode; readonly fields: ErrorFields };

const NO_BYTES = new Uint8Array();

/** Pure; what a caller can get wrong is an outcome, not an exception. */
export function runPlanTask({ settings, call, request, model, policy, caps }: PlanTask): PlanOutcome {
  try {
    const plan = createUpstreamProtocol(settings).proxy.toUpstream(call, request, model, policy, caps);
    const isBodySame = plan.request.body === request.body;
    // The body is where the request came in: there is no need to send it back.
    const sent = isBodySame ? { ...plan, request: { ...plan.request, body: NO_BYTES } } : plan;
    return { isPlanned: true, plan: sent, isBodySame };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { isPlanned: false, code: error.code, fields: error.fields };
  }
}
