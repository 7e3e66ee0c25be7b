/** The broker over HTTP: routes, cookie and error bodies of the KBS protocol. */
import { utf8 } from '../core/bytes.ts';
import { BrokerError, ERRORS, type ErrorCode, ModelwardError } from '../core/errors.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from '../core/http-handler.ts';
import { BROKER_LIMITS } from '../core/limits/broker.ts';
import type { Clock } from '../core/ports.ts';
import type { Broker, Credentials } from './broker.ts';
import { createRateGate } from './rates.ts';
import { findResourceName } from './resource.ts';

const COOKIE = 'kbs-session-id';
const ERROR_TYPE = 'urn:modelward:error:';
const RESOURCE = '/kbs/v0/resource/';

export interface BrokerHandlerOptions {
  readonly broker: Broker;
  readonly clock: Clock;
  /** Told of outages and internal errors; never of what a client sent. */
  readonly onTrouble: (error: unknown) => void;
}

/** Answers what clients of the protocol ask; never throws for what a client can send. */
export function createBrokerHandler({ broker, clock, onTrouble }: BrokerHandlerOptions): HttpHandler {
  const gate = createRateGate(clock);
  return async (request) => {
    try {
      await assertRate(broker, gate(request.remoteAddress));
      return await route(broker, request);
    } catch (error) {
      const code: ErrorCode | 'UNKNOWN' = error instanceof ModelwardError ? error.code : 'UNKNOWN';
      if (code === 'UNKNOWN' || toStatus(code) >= 500) onTrouble(error);
      return toErrorResponse(code);
    }
  };
}

/** The first request above the rate is on record, the others cost nothing. */
async function assertRate(broker: Broker, rate: 'within' | 'reached' | 'above'): Promise<void> {
  if (rate === 'within') return;
  if (rate === 'reached') await broker.refuse('BROKER_BUSY');
  throw new BrokerError('BROKER_BUSY', { fields: { at: 'rate' } });
}

async function route(broker: Broker, request: HttpRequest): Promise<HttpResponse> {
  const { method, path, body, remoteAddress } = request;
  if (body.length > BROKER_LIMITS.bodyBytesMax) return refuseWith(broker, 'BROKER_BODY_TOO_LARGE');
  if (method === 'POST' && path === '/kbs/v0/auth') {
    const { sessionId, nonce } = await broker.auth(body, remoteAddress);
    return toJsonResponse({ nonce, 'extra-params': '' }, { 'set-cookie': toCookie(sessionId) });
  }
  if (method === 'POST' && path === '/kbs/v0/attest') {
    const { sessionId } = toCredentials(request);
    const token = await broker.attest(sessionId, body);
    return toJsonResponse({ token }, sessionId === null ? {} : { 'set-cookie': toCookie(sessionId) });
  }
  if (method === 'GET' && path.startsWith(RESOURCE)) {
    const who = toCredentials(request);
    // A name that cannot be one is looked up as none: who is not attested learns nothing about names.
    const name = findResourceName(path.slice(RESOURCE.length)) ?? '?';
    return toJsonResponse(await broker.release(who, name), {});
  }
  return refuseWith(broker, 'BROKER_PATH_UNKNOWN');
}

async function refuseWith(broker: Broker, code: 'BROKER_PATH_UNKNOWN' | 'BROKER_BODY_TOO_LARGE'): Promise<never> {
  await broker.refuse(code);
  throw new BrokerError(code);
}

/** Of several cookies of the name none is taken: which of them is meant cannot be told. */
function toCredentials({ headers }: HttpRequest): Credentials {
  const values = (headers.cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${COOKIE}=`))
    .map((pair) => pair.slice(COOKIE.length + 1));
  const sessionId = values.length === 1 && /^[0-9a-f]{64}$/.test(values[0]) ? values[0] : null;
  const token = /^Bearer ([A-Za-z0-9._-]+)$/i.exec(headers.authorization ?? '')?.at(1) ?? null;
  return { sessionId, token };
}

function toCookie(sessionId: string): string {
  const seconds = Math.floor(BROKER_LIMITS.sessionLifeMs / 1000);
  return `${COOKIE}=${sessionId}; Path=/kbs; Max-Age=${seconds}; HttpOnly; Secure; SameSite=Strict`;
}

function toJsonResponse(value: object, headers: Readonly<Record<string, string>>, status = 200): HttpResponse {
  return {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
    body: utf8(JSON.stringify(value)),
  };
}

/** Evidence that does not hold is "not authenticated" to this protocol, whatever other interfaces say. */
function toStatus(code: ErrorCode): number {
  return code.startsWith('ATTEST_') ? 401 : ERRORS[code].http;
}

/** ErrorInformation. What would help to find a way in stays in the ledger: the sentence of the code is all there is. */
function toErrorResponse(code: ErrorCode | 'UNKNOWN'): HttpResponse {
  const detail = code === 'UNKNOWN' ? 'internal error' : ERRORS[code].message;
  const status = code === 'UNKNOWN' ? 500 : toStatus(code);
  return toJsonResponse({ type: `${ERROR_TYPE}${code}`, detail }, {}, status);
}
