/** One request on its way: what the steps have found out so far. */
import { hash } from 'node:crypto';
import { hmacSha256 } from '../../core/hash.ts';
import type { Permit } from '../limits/index.ts';
import type { Call, GatewayRequest, LimitVerdict, LogPlace, LogRow, Principal } from '../ports.ts';
import type { Protocol } from '../protocols/ports.ts';
import type { Prepared, Target } from '../targets/ports.ts';
import type { Trace } from '../telemetry/index.ts';
import type { GatewayParts } from './parts.ts';

/** Status of the row that is written when a stream begins; another one follows when it has ended. */
export const BEGUN_STATUS = 100;

export class Work {
  readonly request: GatewayRequest;
  readonly requestId: string;
  readonly startedUs: number;
  readonly timeMs: number;
  readonly trace: Trace | null;
  /** Of the body, which the front may have let go of when the row of a stream's end is written. */
  readonly inputBytes: number;
  protocol: Protocol;
  call: Call | null = null;
  principal: Principal | null = null;
  target: Target | null = null;
  prepared: Prepared | null = null;
  permit: Permit | null = null;
  verdict: LimitVerdict | null = null;
  /** SHA-256 of the body as it was sent, once it is somebody's who may ask. */
  inputSha256: Uint8Array | null = null;
  /** How the body is named outside, once it was asked. */
  inputHash: Uint8Array | null = null;

  constructor(parts: GatewayParts, request: GatewayRequest) {
    this.request = request;
    this.requestId = parts.makeRequestId();
    this.startedUs = parts.nowUs();
    this.timeMs = parts.nowMs();
    this.trace = parts.tracing === undefined ? null : parts.tracing.start(request.headers);
    this.inputBytes = request.body.length;
    this.protocol = parts.protocols[0];
  }
}

/** SHA-256, 32 bytes. By way of a text: for each buffer of its own Node would ask the system for memory, beside the heap. */
export function toSha256(bytes: Uint8Array): Uint8Array {
  return Buffer.from(hash('sha256', bytes, 'binary'), 'latin1');
}

export interface Outcome {
  readonly status: number;
  readonly code: string | null;
  readonly answerHash: Uint8Array | null;
  readonly answerBytes: number;
}

/** @throws GatewayError GATEWAY_LOG_FULL | GATEWAY_LOG_FAILED */
export function appendRow(parts: GatewayParts, work: Work, outcome: Outcome): LogPlace {
  const { principal, prepared } = work;
  const row: LogRow = {
    timeMs: work.timeMs,
    requestId: work.requestId,
    principalId: principal!.id,
    tenant: principal!.tenant,
    model: work.target!.model,
    version: prepared?.version ?? '',
    protocol: work.protocol.name,
    status: outcome.status,
    code: outcome.code,
    isInputKeyed: parts.settings.hashKey !== null,
    inputHash: toInputHash(parts, work, work.inputSha256!),
    tensorHash: prepared?.tensorHash ?? null,
    answerHash: outcome.answerHash,
    items: prepared?.items ?? 1,
    inputBytes: work.inputBytes,
    answerBytes: outcome.answerBytes,
    durationUs: Math.max(0, Math.round(parts.nowUs() - work.startedUs)),
  };
  return parts.log.append(row);
}

/** How the body is named outside: by its hash, or by that under the gateway's key. */
export function toInputHash({ settings: { hashKey } }: GatewayParts, work: Work, sha256: Uint8Array): Uint8Array {
  work.inputHash ??= hashKey === null ? sha256 : hmacSha256(hashKey, work.request.body);
  return work.inputHash;
}
