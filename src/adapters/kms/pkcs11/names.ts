/** Names of keys on tokens, as wrapped keys carry them: the same for every URI that leads to the key. */
import type { Pkcs11Uri } from '../../../seal/ports.ts';

/** Labels as on the token; `id` is CKA_ID in lower-case hex. */
export type TokenNames = Pick<Pkcs11Uri['attributes'], 'token' | 'object' | 'id'>;

/**
 * `token=…;object=…`, percent-encoded; `id=…` only where the object has no label. Serial numbers are left out: a key that was
 * cloned to a second HSM is the same key.
 */
export function toKeyRef({ token, object, id }: TokenNames): string {
  return Object.entries({ token, object, id })
    .filter((each): each is [string, string] => each[1] !== undefined && each[1] !== '')
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join(';');
}

/** What a `keyRef` says; undefined for one that was not written here. */
export function findNames(keyRef: string): TokenNames | undefined {
  const match = /^(?:token=([^;=]+)(?:;|$))?(?:object=([^;=]+)(?:;|$))?(?:id=([0-9a-f]+))?$/.exec(keyRef) as
    | readonly (string | undefined)[]
    | null;
  const [, token, object, id] = match ?? [];
  if (object === undefined && id === undefined) return undefined;
  try {
    const decode = (text: string | undefined): string | undefined => text && decodeURIComponent(text);
    const names = { token: decode(token), object: decode(object), id };
    return toKeyRef(names) === keyRef ? names : undefined;
  } catch {
    return undefined;
  }
}

/** True unless both say something of token, object or id, and not the same. */
export function isAgreeing(a: TokenNames, b: TokenNames): boolean {
  return (['token', 'object', 'id'] as const).every(
    (name) => a[name] === undefined || b[name] === undefined || a[name] === b[name],
  );
}
