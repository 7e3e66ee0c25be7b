/** The text that a signature over an HTTP message is made of (RFC 9421 section 2.5). */
import { type InnerList, toInnerListText, toItemText } from './structured.ts';

/** Value of a component of the message, or of its request; null when there is none. */
export type FindComponent = (name: string, isOfRequest: boolean) => string | null;

/**
 * @param covered the signature's member of `signature-input`
 * @returns null when a component is there twice, is not in the message, or has parameters that are not known here
 */
export function findSignatureBase(covered: InnerList, find: FindComponent): string | null {
  const lines = new Map<string, string>();
  for (const item of covered.items) {
    const { value: name, parameters } = item;
    const isOfRequest = parameters.get('req') === true;
    if (typeof name !== 'string' || parameters.size > (isOfRequest ? 1 : 0)) return null;
    const value = find(name, isOfRequest);
    const id = toItemText(item);
    if (value === null || lines.has(id)) return null;
    lines.set(id, value);
  }
  let base = '';
  for (const [id, value] of lines) base += `${id}: ${value}\n`;
  return `${base}"@signature-params": ${toInnerListText(covered)}`;
}
