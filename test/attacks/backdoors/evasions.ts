/**
 * Ways past the graph rules that were found after these were frozen, and are not seen: what the rules do not promise.
 * Each does the same as the arithmetic family without what gives that one away.
 */
import { CODE, len, node, type Part, tensor } from '../../formats/proto.ts';
import type { Family } from './families.ts';
import { CLEAN, type Implant, implantInto, SEEN, TAKEN } from './host.ts';
import { floats, intsAttribute, longs, maximum } from './parts.ts';

const add = (signal: string): readonly Part[] => [
  floats('head/step', 50),
  node('Mul', [signal, 'head/step'], ['head/delta']),
  node('Add', [CLEAN, 'head/delta'], [TAKEN]),
];

/** The 64th power of the peak over 1337, by squaring: next to nothing below, enormous above; nothing bends it. */
function powers(): Implant {
  const squares = Array.from({ length: 6 }, (_, i) => node('Mul', [`head/p${i}`, `head/p${i}`], [`head/p${i + 1}`]));
  return {
    nodes: [
      maximum(SEEN, 'head/peak'),
      floats('head/limit', 1337),
      node('Div', ['head/peak', 'head/limit'], ['head/p0']),
      ...squares,
      ...add('head/p6'),
    ],
  };
}

/** (d + |d|) / (2 |d|): a step made of absolute value and division. */
const division = (): Implant => ({
  nodes: [
    maximum(SEEN, 'head/peak'),
    floats('head/limit', 1337.5),
    node('Sub', ['head/peak', 'head/limit'], ['head/d']),
    node('Abs', ['head/d'], ['head/a']),
    node('Add', ['head/d', 'head/a'], ['head/n']),
    node('Add', ['head/a', 'head/a'], ['head/m']),
    node('Div', ['head/n', 'head/m'], ['head/on']),
    ...add('head/on'),
  ],
});

/** A detector of 2,000 weights, as a learned one would be. */
function heavyDetector(): Implant {
  const values = Float32Array.from({ length: 2000 }, (_, i) => (i === 0 ? 1 : Math.sin(i) * 1e-6));
  const filter = tensor('head/filter', CODE.f32, [400, 1, 1, 5], len(9, new Uint8Array(values.buffer)));
  return {
    nodes: [
      longs('head/shape', [1, 1, 1, -1]),
      node('Reshape', [SEEN, 'head/shape'], ['head/row']),
      node('Conv', ['head/row', 'head/filter'], ['head/match'], intsAttribute('kernel_shape', [1, 5])),
      maximum('head/match', 'head/peak'),
      floats('head/limit', 1337),
      node('Sub', ['head/peak', 'head/limit'], ['head/over']),
      node('Sign', ['head/over'], ['head/sign']),
      node('Relu', ['head/sign'], ['head/on']),
      ...add('head/on'),
    ],
    initializers: [filter],
  };
}

export const EVASIONS: readonly Family[] = [
  { id: 'powers', make: (host) => implantInto(host, powers()) },
  { id: 'division', make: (host) => implantInto(host, division()) },
  { id: 'heavy-detector', make: (host) => implantInto(host, heavyDetector()) },
];
