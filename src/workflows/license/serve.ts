/** The licence server: requests of devices over HTTP, each answered as `answerRequest` does (docs/spec/license.md section 8). */
import { utf8 } from '../../core/bytes.ts';
import { LicenseError, ModelwardError } from '../../core/errors.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from '../../core/http-handler.ts';
import { LICENSE_LIMITS } from '../../core/limits/license.ts';
import { ACTIONS } from '../../license/index.ts';
import { type AnswerContext, answerRequest } from './answer.ts';
import { writeStatusList } from './status.ts';

export interface LicenseServerOptions extends AnswerContext {
  /** Where devices fetch the status list, as in the licences; null serves none. */
  readonly statusUri: string | null;
  /** Told the code of what went wrong on the server's side. */
  readonly onTrouble: (code: string) => void;
}

const JWT = 'application/jwt';
const STATUS_TTL_SEC = 3600;
/** Anyone may ask for the list: it is signed once in so long. */
const STATUS_KEPT_SEC = 60;

/**
 * `POST /v1/<action>` takes a request and gives an answer, both compact JWS; `GET /v1/status-list` gives the list. A refusal
 * without an answer is JSON with its code and nothing else.
 */
export function createLicenseHandler(options: LicenseServerOptions): HttpHandler {
  const readList = keepStatusList(options);
  return async (request) => {
    try {
      return await route(options, readList, request);
    } catch (error) {
      if (error instanceof LicenseError && error.row.http < 500) return refuse(error.row.http, error.code);
      options.onTrouble(error instanceof ModelwardError ? error.code : 'UNKNOWN');
      return refuse(503, 'LICENSE_SERVER_UNAVAILABLE');
    }
  };
}

type ListReader = (uri: string) => Promise<string>;

function keepStatusList(options: LicenseServerOptions): ListReader {
  let kept = { madeSec: -Infinity, list: Promise.resolve('') };
  return (uri) => {
    const nowSec = Math.floor(options.services.clock.nowMs() / 1000);
    const age = nowSec - kept.madeSec;
    if (age >= 0 && age < STATUS_KEPT_SEC) return kept.list;
    const made = { madeSec: nowSec, list: writeStatusList(options, { uri, ttlSec: STATUS_TTL_SEC }) };
    kept = made;
    // A list that could not be made is tried again by the next who asks.
    made.list.catch(() => {
      made.madeSec = -Infinity;
    });
    return made.list;
  };
}

async function route(options: LicenseServerOptions, readList: ListReader, request: HttpRequest): Promise<HttpResponse> {
  const { method, path, body } = request;
  if (path === '/v1/status-list' && options.statusUri !== null) {
    if (method !== 'GET') return refuse(405, 'LICENSE_REQUEST_MALFORMED');
    return reply(200, 'application/statuslist+jwt', await readList(options.statusUri));
  }
  const action = ACTIONS.find((name) => path === `/v1/${name}`);
  if (action === undefined) return refuse(404, 'LICENSE_REQUEST_MALFORMED');
  if (method !== 'POST') return refuse(405, 'LICENSE_REQUEST_MALFORMED');
  if (body.length > LICENSE_LIMITS.jwsCharsMax) throw new LicenseError('LICENSE_TOO_LARGE');
  const text = Buffer.from(body).toString('latin1').trimEnd();
  return reply(200, JWT, await answerRequest(options, text, action));
}

function refuse(status: number, code: string): HttpResponse {
  return reply(status, 'application/json', JSON.stringify({ error: { code } }));
}

function reply(status: number, type: string, text: string): HttpResponse {
  return { status, headers: { 'content-type': type, 'cache-control': 'no-store' }, body: utf8(text) };
}
