/** One request, step by step (docs/decisions/0012-gateway.md). */
import { ERRORS, type ErrorCode, type ErrorFields, GatewayError, ModelwardError } from '../../core/errors.ts';
import { GATEWAY_LIMITS } from '../../core/limits/gateway.ts';
import { isFailure, mayUseModel } from '../identity/index.ts';
import { type Permit, toLimitHeaders } from '../limits/index.ts';
import type {
  Call,
  GatewayAnswer,
  GatewayHandler,
  GatewayRequest,
  HeaderList,
  IdentifyResult,
  LimitVerdict,
} from '../ports.ts';
import type { Target } from '../targets/ports.ts';
import { answerInfo } from './info.ts';
import type { GatewayParts } from './parts.ts';
import { RefusedCallers } from './refused.ts';
import { finishCollected, finishStream, settle, toSealedRequest } from './finish.ts';
import { toSha256, Work } from './work.ts';

interface Steps extends GatewayParts {
  readonly refused: RefusedCallers;
}

/** Answers requests. Whatever a caller sends, and whatever fails, is an answer of his protocol; nothing is thrown. */
export function createGateway(parts: GatewayParts): GatewayHandler {
  const steps: Steps = { ...parts, refused: new RefusedCallers(parts.nowUs) };
  return async (request) => {
    const work = new Work(steps, request);
    try {
      return await handle(steps, work);
    } catch (error) {
      return fail(steps, work, error);
    }
  };
}

async function handle(parts: Steps, work: Work): Promise<GatewayAnswer> {
  findCall(parts, work);
  const { kind } = work.call!;
  if (parts.settings.isHealthOpen && (kind === 'server-live' || kind === 'server-ready')) {
    return answerInfo(parts, work);
  }
  checkAddress(parts, work.request);
  const found = parts.identifier.identify(work.request);
  admit(parts, work, found instanceof Promise ? await found : found);
  if (kind !== 'infer') {
    readCall(work);
    const charged = charge(parts, work, 1);
    if (charged !== null) await charged;
    return answerInfo(parts, work);
  }
  expectRate(parts, work);
  // A body that has to be read for the name of its model is held like one that is asked for an answer.
  if (work.protocol.findRoute === undefined) authorise(parts, work);
  const held = hold(parts, work);
  if (held instanceof Promise) await held;
  if (work.protocol.findRoute !== undefined) {
    readCall(work);
    authorise(parts, work);
  }
  const asked = prepare(parts, work);
  work.prepared = asked instanceof Promise ? await asked : asked;
  if (work.prepared === null) throw new GatewayError('GATEWAY_NOT_ALLOWED');
  const charged = charge(parts, work, work.prepared.items);
  if (charged !== null) await charged;
  const answer = await work.prepared.run((outputHash) => parts.sealer.toParameters(toSealedRequest(work), outputHash));
  return answer.body instanceof Uint8Array
    ? finishCollected(parts, work, answer, answer.body)
    : finishStream(parts, work, answer, answer.body);
}

/** By method and path: bodies are read for those who are known. @throws GatewayError GATEWAY_ROUTE_UNKNOWN | GATEWAY_METHOD_NOT_ALLOWED */
function findCall({ protocols }: GatewayParts, work: Work): void {
  let [known, isOtherMethod] = [work.protocol, false];
  for (const protocol of protocols) {
    work.protocol = protocol;
    const call = (protocol.findRoute ?? protocol.findCall)(work.request);
    if (call === null) continue;
    if (call !== 'method') {
      work.call = call;
      return;
    }
    [known, isOtherMethod] = [protocol, true];
  }
  work.protocol = known;
  throw new GatewayError(isOtherMethod ? 'GATEWAY_METHOD_NOT_ALLOWED' : 'GATEWAY_ROUTE_UNKNOWN');
}

/** The model of a call whose body names it. @throws GatewayError GATEWAY_INPUT_MALFORMED | GATEWAY_CONTENT_TYPE */
function readCall(work: Work): void {
  const { findRoute, findCall: find } = work.protocol;
  if (findRoute !== undefined) work.call = find(work.request) as Call;
}

/** @throws GatewayError GATEWAY_RATE_LIMITED for an address that failed too often */
function checkAddress({ addresses }: GatewayParts, { peer }: GatewayRequest): void {
  const { isAdmitted, retryAfterMs } = addresses.look(peer.address);
  if (!isAdmitted) throw new GatewayError('GATEWAY_RATE_LIMITED', { fields: { retryAfterMs } });
}

/** @throws GatewayError of the refusal */
function admit({ addresses }: GatewayParts, work: Work, result: IdentifyResult): void {
  if (result.isKnown) {
    work.principal = result.principal;
    return;
  }
  if (isFailure(result.code)) addresses.blame(work.request.peer.address);
  throw new GatewayError(result.code);
}

/** @throws GatewayError GATEWAY_RATE_LIMITED for a caller who was told to wait, and does not */
function expectRate({ refused }: Steps, work: Work): void {
  const verdict = refused.find(work.principal!.id);
  if (verdict !== null) take(work, verdict);
}

/** Whether there is no such model, or not for this caller: he is told the same. @throws GatewayError GATEWAY_NOT_ALLOWED */
function authorise({ targets }: GatewayParts, work: Work): void {
  const { model } = work.call!;
  const target = model === null ? undefined : targets.get(model);
  if (target === undefined || !mayUseModel(work.principal!.scopes, 'infer', target.model)) {
    throw new GatewayError('GATEWAY_NOT_ALLOWED');
  }
  work.target = target;
}

/** @throws GatewayError GATEWAY_BODY_TOO_LARGE | GATEWAY_CONCURRENCY | GATEWAY_LIMITS_UNAVAILABLE */
function hold({ permits }: GatewayParts, work: Work): void | Promise<void> {
  const { limits } = work.principal!;
  const max = limits.bodyBytesMax ?? GATEWAY_LIMITS.bodyBytesCeiling;
  if (work.request.body.length > max) throw new GatewayError('GATEWAY_BODY_TOO_LARGE', { fields: { max } });
  const asked = permits.acquire(work.principal!);
  if (!(asked instanceof Promise)) {
    begin(work, asked);
    return;
  }
  return asked.then(
    (permit) => {
      begin(work, permit);
    },
    () => {
      throw new GatewayError('GATEWAY_LIMITS_UNAVAILABLE');
    },
  );
}

/** @throws GatewayError GATEWAY_CONCURRENCY */
function begin(work: Work, permit: Permit | null): void {
  if (permit === null) throw new GatewayError('GATEWAY_CONCURRENCY', { fields: { retryAfterMs: 1000 } });
  work.permit = permit;
  work.inputSha256 = toSha256(work.request.body);
}

/** Reads the request. One that cannot be read costs as much as one that can. @throws GatewayError */
function prepare(parts: GatewayParts, work: Work): ReturnType<Target['prepare']> {
  const { request, protocol, call, target, principal, trace } = work;
  const batchMax = principal!.limits.batchMax ?? parts.settings.batchMax;
  return target!.prepare({ request, protocol, call: call!, principal: principal!, batchMax, trace });
}

const REFUSED = {
  rate: 'GATEWAY_RATE_LIMITED',
  daily: 'GATEWAY_BUDGET_EXHAUSTED',
  lifetime: 'GATEWAY_BUDGET_EXHAUSTED',
  store: 'GATEWAY_LIMITS_UNAVAILABLE',
} as const;

/**
 * @returns null when it was charged at once, as usual
 * @throws GatewayError GATEWAY_RATE_LIMITED | GATEWAY_BUDGET_EXHAUSTED | GATEWAY_LIMITS_UNAVAILABLE
 */
function charge({ limiter, refused }: Steps, work: Work, items: number): Promise<void> | null {
  const asked = limiter.charge(work.principal!, work.call!.model ?? '', { requests: 1, items });
  if (asked instanceof Promise) {
    return asked.then((verdict) => {
      refused.note(work.principal!.id, verdict);
      take(work, verdict);
    });
  }
  refused.note(work.principal!.id, asked);
  take(work, asked);
  return null;
}

function take(work: Work, verdict: LimitVerdict): void {
  work.verdict = verdict;
  if (verdict.refusedBy !== null) throw new GatewayError(REFUSED[verdict.refusedBy]);
}

/** Something was run for these, and inputs can bring them about: what they cost of a rate stays, so that they come no faster. */
const WORKED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'GATEWAY_MODEL_FAILED',
  'GATEWAY_UPSTREAM_TIMEOUT',
  'GATEWAY_UPSTREAM_MALFORMED',
  'GATEWAY_UPSTREAM_REFUSED',
  'GATEWAY_ANSWER_TOO_LARGE',
  'GATEWAY_ANSWER_SHAPE',
  'GATEWAY_ANSWER_VALUE',
]);

/** Ended in the midst of it, which inputs can bring about, too: what ran the model, or the line to a server. */
const ENDED: ReadonlySet<unknown> = new Set(['run', 'reset']);

function hasWorked(code: ErrorCode, { reason }: ErrorFields): boolean {
  return WORKED.has(code) || ENDED.has(reason);
}

/** The error in the caller's protocol; what is ours is given back. */
async function fail(parts: Steps, work: Work, error: unknown): Promise<GatewayAnswer> {
  const isCoded = error instanceof ModelwardError && error.code.startsWith('GATEWAY_');
  let code: ErrorCode = isCoded ? error.code : 'GATEWAY_INTERNAL';
  let fields = isCoded ? error.fields : {};
  if (!isCoded) parts.onFault(error);
  if (work.permit !== null && work.verdict === null) {
    const refusedBy = await chargeFailure(parts, work);
    if (refusedBy !== null) [code, fields] = [REFUSED[refusedBy], {}];
  }
  if (ERRORS[code].http >= 500) work.verdict?.refund(hasWorked(code, fields) ? 'budget' : 'all');
  const answer = work.protocol.encodeError(code, fields);
  return settle(parts, work, { ...answer, headers: [...answer.headers, ...toErrorHeaders(work, fields)] }, code);
}

/** Requests that cannot be read are counted like others: a refusal of the rate comes before the reason. */
async function chargeFailure({ limiter, refused }: Steps, work: Work): Promise<LimitVerdict['refusedBy']> {
  const asked = limiter.charge(work.principal!, work.call!.model ?? '', { requests: 1, items: 1 });
  work.verdict = asked instanceof Promise ? await asked : asked;
  refused.note(work.principal!.id, work.verdict);
  return work.verdict.refusedBy;
}

function toErrorHeaders({ principal, verdict, requestId }: Work, { retryAfterMs }: ErrorFields): HeaderList {
  const headers: [string, string][] = [['x-request-id', requestId]];
  if (principal === null) headers.push(['www-authenticate', 'Bearer']);
  else if (verdict !== null) return [...headers, ...toLimitHeaders(principal.limits, verdict)];
  if (typeof retryAfterMs === 'number')
    headers.push(['retry-after', String(Math.max(1, Math.ceil(retryAfterMs / 1000)))]);
  return headers;
}
