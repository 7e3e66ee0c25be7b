/** Seeded damage to a quote, its collateral, or the time that it is judged at. */
import type { SignedText } from '../../src/attest/dcap/collateral.ts';
import { flip } from '../fakes/attest/x509.ts';
import type { Subject } from './attest.dcap.ts';

export interface Mutation {
  readonly name: string;
  readonly subject: Subject;
}

/** @param next 0 <= x < 1 */
export function mutate(subject: Subject, next: () => number): Mutation {
  const below = (count: number) => Math.floor(next() * count);
  const { quote, collateral } = subject;
  const flipAny = (bytes: Uint8Array): [Uint8Array, string] => {
    const at = below(bytes.length);
    return [flip(bytes, at, below(8)), String(at)];
  };
  const changeText = (text: string): [string, string] => {
    const at = below(text.length);
    const to = String.fromCharCode(0x20 + below(0x5e));
    return [`${text.slice(0, at)}${to}${text.slice(at + 1)}`, `${at} to ${to}`];
  };
  const changeSigned = (name: 'tcbInfo' | 'qeIdentity', part: keyof SignedText): Mutation => {
    const signed = collateral[name];
    const [value, at] = part === 'signature' ? flipAny(signed.signature) : changeText(signed[part]);
    const changed = { ...collateral, [name]: { ...signed, [part]: value } };
    return { name: `${name}.${part} at ${at}`, subject: { ...subject, collateral: changed } };
  };
  const changeCrl = (name: 'rootCrl' | 'pckCrl'): Mutation => {
    const [value, at] = flipAny(collateral[name]);
    return { name: `${name} at ${at}`, subject: { ...subject, collateral: { ...collateral, [name]: value } } };
  };
  const changeQuote = (): Mutation => {
    const [value, at] = flipAny(quote);
    return { name: `quote at ${at}`, subject: { ...subject, quote: value } };
  };
  const kinds: readonly (() => Mutation)[] = [
    changeQuote,
    changeQuote,
    changeQuote,
    changeQuote,
    () => changeSigned('tcbInfo', 'text'),
    () => changeSigned('tcbInfo', 'signature'),
    () => changeSigned('tcbInfo', 'chainPem'),
    () => changeSigned('qeIdentity', 'text'),
    () => changeSigned('qeIdentity', 'signature'),
    () => changeSigned('qeIdentity', 'chainPem'),
    () => changeCrl('rootCrl'),
    () => changeCrl('pckCrl'),
    () => {
      const length = below(quote.length);
      return { name: `quote cut to ${length}`, subject: { ...subject, quote: quote.subarray(0, length) } };
    },
    () => {
      const days = (below(2) === 0 ? -1 : 1) * (1 + below(3000));
      return { name: `${days} days`, subject: { ...subject, nowMs: subject.nowMs + days * 86_400_000 } };
    },
  ];
  return kinds[below(kinds.length)]();
}
