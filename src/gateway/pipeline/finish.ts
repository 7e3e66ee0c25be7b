/** The end of a request: its row, its marks, and what is given back. */
import { createHash } from 'node:crypto';
import { ModelwardError } from '../../core/errors.ts';
import { toLimitHeaders } from '../limits/index.ts';
import type { SealedRequest } from '../integrity/ports.ts';
import type { GatewayAnswer, LogPlace } from '../ports.ts';
import type { SpanOf, Trace } from '../telemetry/index.ts';
import type { Answered, GatewayParts } from './parts.ts';
import { appendRow, BEGUN_STATUS, toInputHash, toSha256, type Work } from './work.ts';

const NO_BYTES = new Uint8Array();

/** @throws GatewayError GATEWAY_LOG_FULL | GATEWAY_LOG_FAILED: then the answer is not given */
export function finishCollected(
  parts: GatewayParts,
  work: Work,
  answer: GatewayAnswer,
  body: Uint8Array,
): GatewayAnswer {
  const { status } = answer;
  const bodySha256 = toSha256(body);
  const place = appendRow(parts, work, { status, code: null, answerHash: bodySha256, answerBytes: body.length });
  const sealed = parts.sealer.toHeaders(toSealedRequest(work), { status, bodySha256, place });
  const limits = toLimitHeaders(work.principal!.limits, work.verdict!);
  const headers = answer.headers.concat([['x-request-id', work.requestId]], limits, sealed);
  // Written out: to copy an object and name a member of it anew takes V8 a microsecond.
  const { trailers } = answer;
  const sent = trailers === undefined ? { status, headers, body } : { status, headers, body, trailers };
  if (body.length <= LIGHT_BYTES_MAX) return settle(parts, work, sent, null);
  const { permit } = work;
  work.permit = null;
  const onSent = (): void => {
    permit?.release();
  };
  return settle(parts, work, { ...sent, onSent }, null);
}

/**
 * Answers of more bytes are at work until they were taken: else a caller who reads slowly would have the gateway keep as many of
 * them as his rate allows.
 */
const LIGHT_BYTES_MAX = 64 * 1024;

/**
 * A stream has a row when it begins and another when it has ended, with the hash of what was sent; its marks are its last event.
 * @throws GatewayError GATEWAY_LOG_FULL | GATEWAY_LOG_FAILED: then nothing of it is given
 */
export function finishStream(
  parts: GatewayParts,
  work: Work,
  answer: GatewayAnswer,
  body: AsyncIterable<Uint8Array>,
): GatewayAnswer {
  try {
    appendRow(parts, work, { status: BEGUN_STATUS, code: null, answerHash: null, answerBytes: 0 });
  } catch (error) {
    void body[Symbol.asyncIterator]().return?.();
    throw error;
  }
  const limits = toLimitHeaders(work.principal!.limits, work.verdict!);
  const headers = [...answer.headers, ['x-request-id', work.requestId] as const, ...limits];
  const { status } = answer;
  let hasBegun = false;
  // Of a caller who is gone before the first event: what has not begun has no end that gives the place back and writes its row.
  const onSent = (): void => {
    work.permit?.release();
    if (hasBegun) return;
    hasBegun = true;
    const code = 'GATEWAY_STREAM_CUT';
    tryAppend(parts, work, { status, code, answerHash: null, answerBytes: 0 });
    release(parts, work, { status, code, answerBytes: 0 });
  };
  const begin = (): void => {
    hasBegun = true;
  };
  return { ...answer, headers, body: pass(parts, work, { status, body, begin }), onSent };
}

interface Passing {
  readonly status: number;
  readonly body: AsyncIterable<Uint8Array>;
  /** Called at the first event. */
  readonly begin: () => void;
}

async function* pass(parts: GatewayParts, work: Work, { status, body, begin }: Passing): AsyncGenerator<Uint8Array> {
  begin();
  const digest = createHash('sha256');
  const events: AsyncIterator<Uint8Array, unknown> = body[Symbol.asyncIterator]();
  let [bytes, code, isWhole]: [number, string | null, boolean] = [0, 'GATEWAY_STREAM_CUT', false];
  try {
    for (let event = await events.next(); ; event = await events.next()) {
      if (event.done === true) {
        isWhole = true;
        code = toEndCode(event.value);
        break;
      }
      digest.update(event.value);
      bytes += event.value.length;
      yield event.value;
    }
  } catch (error) {
    code = error instanceof ModelwardError ? error.code : 'GATEWAY_INTERNAL';
    if (code === 'GATEWAY_INTERNAL') parts.onFault(error);
    throw error;
  } finally {
    if (!isWhole) await events.return?.();
    const bodySha256 = isWhole ? new Uint8Array(digest.digest()) : null;
    const place = tryAppend(parts, work, { status, code, answerHash: bodySha256, answerBytes: bytes });
    release(parts, work, { status, code, answerBytes: bytes });
    if (bodySha256 !== null && place !== null) {
      const answer = { status, bodySha256, place };
      const last = parts.sealer.toLastEvent(toSealedRequest(work), answer);
      if (last !== null) yield last;
    }
  }
}

/** A stream that told its caller of an error ends with the code of that. */
function toEndCode(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** The stream was given: what its end cannot be written to is told to the operator. */
function tryAppend(parts: GatewayParts, work: Work, outcome: Parameters<typeof appendRow>[2]): LogPlace | null {
  try {
    return appendRow(parts, work, outcome);
  } catch (error) {
    parts.onFault(error);
    return null;
  }
}

/** Counts an answer, gives places back, and writes the row of a failure that was charged for. */
export function settle(parts: GatewayParts, work: Work, answer: GatewayAnswer, code: string | null): GatewayAnswer {
  const bytes = answer.body instanceof Uint8Array ? answer.body : NO_BYTES;
  const { status } = answer;
  if (code !== null && work.target !== null && work.inputSha256 !== null && work.verdict?.isAdmitted === true) {
    tryAppend(parts, work, { status, code, answerHash: toSha256(bytes), answerBytes: bytes.length });
  }
  release(parts, work, { status, code, answerBytes: bytes.length });
  return answer;
}

interface Ended {
  readonly status: number;
  readonly code: string | null;
  readonly answerBytes: number;
}

function release(parts: GatewayParts, work: Work, ended: Ended): void {
  work.permit?.release();
  const { status, code, answerBytes } = ended;
  // Each member by itself: to copy them out of `ended` would take longer than all the rest of this.
  const answered: Answered = {
    status,
    code,
    answerBytes,
    protocol: work.call === null ? null : work.protocol.name,
    model: work.target?.model ?? null,
    route: work.call?.route ?? '',
    requestId: work.requestId,
    principalId: work.principal?.id ?? null,
    durationUs: parts.nowUs() - work.startedUs,
    items: work.prepared?.items ?? 0,
    inputBytes: work.inputBytes,
  };
  parts.meter.onAnswer(answered);
  if (work.trace?.isSampled === true) parts.tracing?.spans.add(toSpan(parts, work, work.trace, answered));
}

function toSpan(parts: GatewayParts, work: Work, trace: Trace, answered: Answered): SpanOf {
  const { request, timeMs, inputSha256 } = work;
  const inputHash = inputSha256 === null ? null : toInputHash(parts, work, inputSha256);
  return { trace, method: request.method, timeMs, inputHash, isInputKeyed: parts.settings.hashKey !== null, answered };
}

export function toSealedRequest({ request, principal, requestId, inputSha256, timeMs }: Work): SealedRequest {
  const { method, path } = request;
  return { principal: principal!, method, path, requestId, inputSha256: inputSha256!, timeMs };
}
