/** Headers of bodies: what is taken, and what goes on or back. */
import { GatewayError } from '../../core/errors.ts';
import type { GatewayRequest, HeaderList } from '../ports.ts';

type Headers = GatewayRequest['headers'];

/** Type and subtype in lower case, without parameters; '' when there is none. */
export function toMediaType(headers: Headers): string {
  const value = headers['content-type'];
  if (value === undefined) return '';
  const end = value.indexOf(';');
  return (end === -1 ? value : value.slice(0, end)).trim().toLowerCase();
}

/** @throws GatewayError GATEWAY_CONTENT_TYPE for compressed bodies and for types that are not in the list */
export function checkContent(headers: Headers, types: readonly string[]): string {
  const coding = headers['content-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'identity') {
    throw new GatewayError('GATEWAY_CONTENT_TYPE', { fields: { at: 'content-encoding' } });
  }
  const type = toMediaType(headers);
  if (!types.includes(type)) throw new GatewayError('GATEWAY_CONTENT_TYPE', { fields: { at: 'content-type' } });
  return type;
}

/** The headers of `names` that are there and fit, in that order. */
export function pickHeaders(headers: Headers, names: readonly string[]): (readonly [string, string])[] {
  const picked: (readonly [string, string])[] = [];
  for (const name of names) {
    const value = headers[name];
    if (value !== undefined && isHeaderValue(value)) picked.push([name, value]);
  }
  return picked;
}

/** The first header of that name in an answer, or undefined. Names of answers are in lower case. */
export function findHeader(headers: HeaderList, name: string): string | undefined {
  for (const [key, value] of headers) if (key === name) return value;
  return undefined;
}

/** {@link pickHeaders} of an answer. */
export function pickAnswerHeaders(headers: HeaderList, names: readonly string[]): HeaderList {
  return headers.filter(([name, value]) => names.includes(name) && isHeaderValue(value));
}

const VALUE = /^[\x20-\x7e]{0,1024}$/;

function isHeaderValue(value: string): boolean {
  return VALUE.test(value);
}
