/** The parts of key URIs: percent-encoding, queries of known names, origins that may be talked to, names. */
import { SealError } from '../core/errors.ts';

/** Fails for one scheme; nothing of the URI but the scheme and the part's name is repeated. */
export function toUriError(scheme: string, part: string): SealError {
  return new SealError('KEY_URI_INVALID', { fields: { scheme, part } });
}

/** Names of parameters under which people put secrets. They are refused by their own code, so that the fix can be told. */
const SECRET_NAME =
  /^(pin[-_]?value|pin|password|passwd|passphrase|pass|pw|token|secret|secret[-_]?id|secret[-_]?key|client[-_]?secret|access[-_]?key|secret[-_]?access[-_]?key|session[-_]?token|api[-_]?key|credentials?)$/i;

/**
 * Percent-decodes; only the named control-free text is taken.
 * @throws SealError KEY_URI_INVALID for a malformed escape or a control character
 */
function decodePart(text: string, at: { readonly scheme: string; readonly part: string }): string {
  const decoded = (() => {
    try {
      return decodeURIComponent(text);
    } catch {
      // No cause: it quotes its input.
      throw toUriError(at.scheme, at.part);
    }
  })();
  if (decoded === '' || /\p{Cc}/u.test(decoded)) throw toUriError(at.scheme, at.part);
  return decoded;
}

/**
 * Reads `name=value&…`: each name at most once, and only names of the list.
 * @throws SealError KEY_URI_SECRET for a name under which a secret would stand; KEY_URI_INVALID
 */
export function parseParameters<K extends string>(
  text: string,
  at: { readonly scheme: string; readonly separator: string; readonly names: readonly K[] },
): Partial<Record<K, string>> {
  const found: Partial<Record<K, string>> = {};
  for (const pair of text === '' ? [] : text.split(at.separator)) {
    const split = pair.indexOf('=');
    const name = split < 0 ? pair : pair.slice(0, split);
    const known = at.names.find((each) => each === name);
    if (known === undefined && SECRET_NAME.test(name)) {
      throw new SealError('KEY_URI_SECRET', { fields: { scheme: at.scheme } });
    }
    if (known === undefined || split < 0 || found[known] !== undefined) throw toUriError(at.scheme, 'parameters');
    found[known] = decodePart(pair.slice(split + 1), { scheme: at.scheme, part: known });
  }
  return found;
}

/** The rest before and after the first `?`. */
export function splitQuery(rest: string): readonly [head: string, query: string] {
  const at = rest.indexOf('?');
  return at < 0 ? [rest, ''] : [rest.slice(0, at), rest.slice(at + 1)];
}

/**
 * An origin that may be talked to: https, or http to this machine (for servers under test).
 * @throws SealError KEY_URI_SECRET for a name or password in it; KEY_URI_INVALID for a path, another protocol, or http
 *   to another machine
 */
export function toOrigin(text: string, at: { readonly scheme: string; readonly part: string }): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw toUriError(at.scheme, at.part);
  if (url.username !== '' || url.password !== '') {
    throw new SealError('KEY_URI_SECRET', { fields: { scheme: at.scheme } });
  }
  const isBare = url.pathname === '/' && url.search === '' && url.hash === '';
  const isSafe = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
  if (!isBare || !isSafe) throw toUriError(at.scheme, at.part);
  return url.origin;
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}
