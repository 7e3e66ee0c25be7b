/** Error codes of the gateway's control plane: its admin API, and the way to collectors of telemetry. */
import { defineErrors, EXIT } from './table.ts';

export const adminErrors = defineErrors({
  ADMIN_SCOPE_MISSING: {
    message: 'The caller may not do this.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'The field "scope" names the scope that is needed; no scope implies another.',
  },
  ADMIN_SCOPE_ABOVE: {
    message: 'The API key has, or would have, a scope of the control plane that the caller has not.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Ask somebody who has the scope, or use the command "modelward apikey" on the machine of the owner.',
  },
  ADMIN_CROSS_SITE: {
    message: 'The request comes from a page of another origin.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Ask from a program, not from a browser.',
  },
  ADMIN_BODY_MALFORMED: {
    message: 'The body is not JSON of the form that is documented.',
    exit: EXIT.malformed,
    http: 400,
    fix: 'The field "at" names the members; /openapi.json has the form.',
  },
  ADMIN_QUERY_MALFORMED: {
    message: 'The query is not of the form that is documented.',
    exit: EXIT.malformed,
    http: 400,
    fix: 'The field "at" names the parameters; /openapi.json has the form.',
  },
  ADMIN_MODEL_UNKNOWN: {
    message: 'The gateway has no such model or version.',
    exit: EXIT.malformed,
    http: 404,
    fix: 'GET /v1/models lists them.',
  },
  ADMIN_RELOAD_FAILED: {
    message: 'The model could not be loaded anew; the one before is served on.',
    exit: EXIT.environment,
    http: 409,
    fix: 'The field "reason" has the code of what went wrong.',
  },
  ADMIN_SIGNATURE_CHANGED: {
    message: 'The new file takes or gives other tensors than the version that it would replace.',
    exit: EXIT.malformed,
    http: 409,
    fix: 'Serve it as another version, or ask for the change with "allowSignatureChange".',
  },
  ADMIN_RESTART_NEEDED: {
    message: 'Members of the configuration have changed that are taken up at the start alone; nothing of it holds.',
    exit: EXIT.usage,
    http: 409,
    fix: 'The field "at" names them: start the gateway anew, or take their change back.',
  },
  GATEWAY_HASH_KEY_INVALID: {
    message: 'The key of the hashes of inputs is not 32 bytes or more in hex.',
    exit: EXIT.noKey,
    http: 500,
    fix: 'Make one: openssl rand -hex 32 > hash.key; chmod 600 hash.key',
  },
  TELEMETRY_URL_MALFORMED: {
    message: 'The address of the collector of telemetry cannot be used.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Write https://HOST/, or http:// for a collector on this machine; no name or password in it.',
  },
  TELEMETRY_UNAVAILABLE: {
    message: 'The collector of telemetry does not answer, or takes nothing now.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Nothing but telemetry depends on it; look whether it runs.',
  },
  TELEMETRY_REFUSED: {
    message: 'The collector of telemetry refused a message.',
    exit: EXIT.environment,
    http: 502,
    fix: 'The field "status" has its answer: 401 and 403 are for its headers, 404 for its address.',
  },
});
