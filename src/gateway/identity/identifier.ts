/** Who asks: one credential, or several that agree. */
import { API_KEY_LIMITS } from '../../core/limits/api-keys.ts';
import type { Clock } from '../../core/ports.ts';
import type { GatewayRequest, Identifier, IdentifyResult } from '../ports.ts';
import type { CertificateMapper } from './certificate.ts';
import { isKeyLike } from './key-form.ts';
import type { HashedKey, KeyIndex } from './key-index.ts';
import { toRefusal } from './refusals.ts';
import type { TokenVerifier } from './token.ts';

export interface IdentifierOptions {
  readonly keys: KeyIndex;
  /** Null where no issuer is configured. */
  readonly tokens: Pick<TokenVerifier, 'identify'> | null;
  /** Null where certificates stand for nobody. */
  readonly certificates: CertificateMapper | null;
  readonly clock: Clock;
}

/**
 * Rules: (1) `authorization: Bearer` with an API key or a token, `x-api-key` with an API key; any other form is refused, as is a
 * header that came twice. (2) Both headers must hold the same text. (3) A certificate that a rule knows is a credential like the
 * others: alone it is the principal, beside a key or token it must be of the same tenant, and the key or token counts. One that
 * no rule knows only secures the connection. One that has ended since the connection was made is refused, whatever is beside it.
 */
export function createIdentifier({ keys, tokens, certificates, clock }: IdentifierOptions): Identifier {
  // For as long as a connection keeps the head: the key in it is not hashed again.
  const hashed = new WeakMap<object, HashedKey>();
  const toHashed = (text: string, { knownHead }: GatewayRequest): HashedKey => {
    if (knownHead === undefined || knownHead === null) return keys.toHashed(text);
    let key = hashed.get(knownHead);
    if (key === undefined) {
      key = keys.toHashed(text);
      hashed.set(knownHead, key);
    }
    return key;
  };
  const identifyText = (text: string, request: GatewayRequest): IdentifyResult | Promise<IdentifyResult> => {
    if (text.length > API_KEY_LIMITS.credentialCharsMax) return toRefusal('GATEWAY_CREDENTIAL_INVALID');
    if (tokens === null || isKeyLike(text)) {
      return keys.identify(text, request.peer.address, clock.nowMs(), toHashed(text, request));
    }
    return tokens.identify(text, clock.nowMs());
  };
  return {
    identify: (request) => {
      const { authorization, 'x-api-key': apiKey } = request.headers;
      const { certificate } = request.peer;
      const hasRules = certificates !== null && certificate !== null;
      if (hasRules && clock.nowMs() >= certificate.endsMs) return toRefusal('GATEWAY_CREDENTIAL_EXPIRED');
      if (authorization === undefined && apiKey === undefined) {
        if (!hasRules) return toRefusal('GATEWAY_CREDENTIAL_MISSING');
        const principal = certificates(certificate);
        return principal === null ? toRefusal('GATEWAY_CREDENTIAL_INVALID') : { isKnown: true, principal };
      }
      const text = authorization === undefined ? apiKey! : readBearer(authorization);
      if (text === null || (apiKey !== undefined && (apiKey !== text || !isKeyLike(text)))) {
        return toRefusal('GATEWAY_CREDENTIAL_INVALID');
      }
      const result = identifyText(text, request);
      if (!hasRules) return result;
      const tenant = certificates(certificate)?.tenant;
      return tenant === undefined ? result : whenSameTenant(result, tenant);
    },
  };
}

/** Null unless the header is `Bearer` (any case, RFC 9110 section 11.1), one space, and a token. */
function readBearer(header: string): string | null {
  if (header.length < 8 || header.charCodeAt(6) !== SPACE) return null;
  const scheme = header.slice(0, 6);
  if (scheme !== 'Bearer' && scheme.toLowerCase() !== 'bearer') return null;
  return header.slice(7);
}

const SPACE = 0x20;

function whenSameTenant(
  result: IdentifyResult | Promise<IdentifyResult>,
  tenant: string,
): IdentifyResult | Promise<IdentifyResult> {
  const judge = (one: IdentifyResult): IdentifyResult =>
    one.isKnown && one.principal.tenant !== tenant ? toRefusal('GATEWAY_CREDENTIAL_INVALID') : one;
  return result instanceof Promise ? result.then(judge) : judge(result);
}
