/** The licence server: requests of devices over HTTP, each answered as `answerRequest` does (docs/spec/license.md section 8). */
import type { EndorsementTrust } from '../../attest/index.ts';
import { utf8 } from '../../core/bytes.ts';
import { LicenseError, ModelwardError } from '../../core/errors.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from '../../core/http-handler.ts';
import { LICENSE_LIMITS } from '../../core/limits/license.ts';
import { ACTIONS } from '../../license/index.ts';
import { type AnswerContext, type Answerer, createAnswerer } from './answer.ts';
import type { CertifyContext } from './certify.ts';
import { gatherRefusals } from './gather.ts';
import { findEnrolStep } from './serve-enrol.ts';
import { writeStatusList } from './status.ts';

export interface LicenseServerOptions extends AnswerContext {
  /** Where devices fetch the status list, as in the licences; null serves none. */
  readonly statusUri: string | null;
  /** Makers whose TPMs are certified here; null where devices are enrolled by file alone. */
  readonly makers: EndorsementTrust | null;
  /** Told the code of what went wrong on the server's side. */
  readonly onTrouble: (code: string) => void;
}

const JWT = 'application/jwt';
const STATUS_TTL_SEC = 3600;
/** Anyone may ask for the list: it is signed once in so long. */
const STATUS_KEPT_SEC = 60;

/**
 * `POST /v1/<action>` takes a request and gives an answer, both compact JWS; `GET /v1/status-list` gives the list; `POST
 * /v1/enrol` and `/v1/enrol/response` certify keys in TPMs. A refusal without an answer is JSON with its code and nothing else.
 */
export function createLicenseHandler(given: LicenseServerOptions): HttpHandler {
  const writer = gatherRefusals(given.recorder.writer, LICENSE_LIMITS.connectionsMax);
  const options = { ...given, recorder: { ...given.recorder, writer } };
  const { makers } = options;
  const certifier = makers === null ? null : { ...options, makers };
  const by = { ...options, certifier, readList: keepStatusList(options), answer: createAnswerer(options) };
  return async (request) => {
    try {
      return await route(by, request);
    } catch (error) {
      if (error instanceof LicenseError && error.row.http < 500) return refuseFor(error);
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

interface Routes {
  readonly statusUri: string | null;
  readonly readList: ListReader;
  readonly answer: Answerer;
  readonly certifier: CertifyContext | null;
}

async function route({ statusUri, readList, answer, certifier }: Routes, request: HttpRequest): Promise<HttpResponse> {
  const { method, path, body } = request;
  if (path === '/v1/status-list' && statusUri !== null) {
    if (method !== 'GET') return refuse(405, 'LICENSE_REQUEST_MALFORMED');
    return reply(200, 'application/statuslist+jwt', await readList(statusUri));
  }
  const action = ACTIONS.find((name) => path === `/v1/${name}`);
  const step = action === undefined ? findEnrolStep(certifier, path) : (text: string) => answer(text, action);
  if (step === undefined) return refuse(404, 'LICENSE_REQUEST_MALFORMED');
  if (method !== 'POST') return refuse(405, 'LICENSE_REQUEST_MALFORMED');
  if (body.length > LICENSE_LIMITS.jwsCharsMax) throw new LicenseError('LICENSE_TOO_LARGE');
  const text = Buffer.from(body).toString('latin1').trimEnd();
  return reply(200, JWT, await step(text));
}

/** Names of licences tell of customers: whose device it is not learns no more than that it is not his; the ledger has the cause. */
function refuseFor(error: LicenseError): HttpResponse {
  const { row, code } = error.code === 'LICENSE_DEVICE_MISMATCH' ? new LicenseError('LICENSE_UNKNOWN') : error;
  return refuse(row.http, code);
}

function refuse(status: number, code: string): HttpResponse {
  return reply(status, 'application/json', JSON.stringify({ error: { code } }));
}

function reply(status: number, type: string, text: string): HttpResponse {
  return { status, headers: { 'content-type': type, 'cache-control': 'no-store' }, body: utf8(text) };
}
