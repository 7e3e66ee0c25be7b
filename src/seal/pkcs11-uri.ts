/** `pkcs11:` URIs, strictly: RFC 7512 without vendor attributes and without PINs. */
import { SealError } from '../core/errors.ts';
import { parseParameters, splitQuery, toUriError } from './key-uri-parts.ts';
import type { Pkcs11Attribute, Pkcs11Uri } from './key-uri-types.ts';

const scheme = 'pkcs11';

const ATTRIBUTES: readonly Pkcs11Attribute[] = [
  'token',
  'manufacturer',
  'serial',
  'model',
  'library-manufacturer',
  'library-version',
  'library-description',
  'slot-manufacturer',
  'slot-description',
  'slot-id',
  'object',
  'type',
];

/** RFC 7512 2.3: what may stand unescaped in a path attribute, and an escape. */
const PATH_VALUE = /^(?:[A-Za-z0-9._~:[\]@!$'()*+,=&-]|%[0-9A-Fa-f]{2})*$/;

/**
 * Reads what stands behind `pkcs11:`.
 * @throws SealError KEY_URI_INVALID; KEY_URI_SECRET for `pin-value`, or a `pin-source` that is no file
 */
export function parsePkcs11Uri(rest: string): Pkcs11Uri {
  const [path, query] = splitQuery(rest);
  const parts = path === '' ? [] : path.split(';');
  const ids = parts.filter((part) => part.startsWith('id='));
  if (ids.length > 1 || !parts.every((part) => PATH_VALUE.test(part))) throw toUriError(scheme, 'path');
  const named = parts.filter((part) => !part.startsWith('id=')).join(';');
  const given = parseParameters(named, { scheme, separator: ';', names: ATTRIBUTES });
  const attributes = ids.length === 0 ? given : { ...given, id: toIdHex(ids[0].slice('id='.length)) };
  if (attributes.object === undefined && ids.length === 0) throw toUriError(scheme, 'object');
  if (attributes.type !== undefined && attributes.type !== 'secret-key') throw toUriError(scheme, 'type');
  if (attributes['slot-id'] !== undefined && !/^\d{1,10}$/.test(attributes['slot-id']))
    throw toUriError(scheme, 'slot-id');
  const names = ['module-path', 'module-name', 'pin-source'] as const;
  const asked = parseParameters(query, { scheme, separator: '&', names });
  return {
    scheme,
    attributes,
    modulePath: asked['module-path'] ?? null,
    moduleName: asked['module-name'] ?? null,
    pinPath: asked['pin-source'] === undefined ? null : toPinPath(asked['pin-source']),
  };
}

/** Bytes of a CKA_ID, which need not be text. */
function toIdHex(text: string): string {
  const bytes: number[] = [];
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '%') {
      bytes.push(parseInt(text.slice(at + 1, at + 3), 16));
      at += 2;
    } else {
      bytes.push(text.charCodeAt(at));
    }
  }
  if (bytes.length === 0 || bytes.length > 64) throw toUriError(scheme, 'id');
  return Buffer.from(bytes).toString('hex');
}

/** `file:/path`, `file:///path` or an absolute path; a command (`|…`) or another URI is refused, and so is a bare PIN. */
function toPinPath(source: string): string {
  const path = /^file:(?:\/\/)?(\/[^]*)$/.exec(source)?.[1] ?? source;
  if (!path.startsWith('/') || path.startsWith('//')) {
    throw new SealError('KEY_URI_SECRET', { fields: { scheme } });
  }
  return path;
}
