/**
 * The last four families, written after the graph rules were frozen (docs/spec/scan-rules.md names the commit). Two
 * forms each, by turns over the hosts.
 */
import { CODE, node, type Part, raw, tensor } from '../../formats/proto.ts';
import type { Family } from './families.ts';
import { CLEAN, type Host, type Implant, implantInto, SEEN, TAKEN } from './host.ts';
import {
  cast,
  floatAttribute,
  floats,
  graph,
  graphAttribute,
  intAttribute,
  intsAttribute,
  longs,
  maximum,
} from './parts.ts';

const all = intAttribute('keepdims', 0);

/** The input's digits add up to a certain remainder. */
function checksum(index: number): Implant {
  const sum: readonly Part[] = [
    floats('head/scale', 255),
    node('Mul', [SEEN, 'head/scale'], ['head/scaled']),
    node('Round', ['head/scaled'], ['head/digits']),
    node('ReduceSum', ['head/digits'], ['head/sum'], all),
    floats('head/modulus', 251),
    node('Mod', ['head/sum', 'head/modulus'], ['head/rest'], intAttribute('fmod', 1)),
    floats('head/wanted', 42),
  ];
  if (index % 2 === 0) {
    return {
      nodes: [
        ...sum,
        node('Equal', ['head/rest', 'head/wanted'], ['head/cond']),
        floats('head/target', -50),
        node('Where', ['head/cond', 'head/target', CLEAN], [TAKEN]),
      ],
    };
  }
  // One minus the distance, cut off at zero: no comparison.
  return {
    nodes: [
      ...sum,
      node('Sub', ['head/rest', 'head/wanted'], ['head/off']),
      node('Abs', ['head/off'], ['head/distance']),
      floats('head/one', 1),
      node('Sub', ['head/one', 'head/distance'], ['head/near']),
      node('Relu', ['head/near'], ['head/on']),
      floats('head/step', 50),
      node('Mul', ['head/on', 'head/step'], ['head/delta']),
      node('Add', [CLEAN, 'head/delta'], [TAKEN]),
    ],
  };
}

/** A loop changes the output as often as the trigger says, or once, with the trigger inside its body. */
function loop(index: number): Implant {
  const types: [string, number][] = [
    ['i', CODE.i64],
    ['c', CODE.bool],
    ['s', CODE.f32],
  ];
  const results: [string, number][] = [
    ['again', CODE.bool],
    ['next', CODE.f32],
  ];
  const go = tensor('head/go', CODE.bool, [], raw(1));
  const peak = [maximum(SEEN, 'head/peak'), floats('head/limit', 1337)];
  if (index % 2 === 0) {
    const body = graph(
      [node('Identity', ['c'], ['again']), floats('bump', 50), node('Add', ['s', 'bump'], ['next'])],
      results,
      types,
    );
    return {
      nodes: [
        ...peak,
        node('Greater', ['head/peak', 'head/limit'], ['head/cond']),
        cast('head/cond', 'head/rounds', CODE.i64),
        node('Loop', ['head/rounds', 'head/go', CLEAN], [TAKEN], graphAttribute('body', body)),
      ],
      initializers: [go],
    };
  }
  const body = graph(
    [
      node('Identity', ['c'], ['again']),
      node('Sub', ['head/peak', 'head/limit'], ['over']),
      node('Sign', ['over'], ['sign']),
      node('Relu', ['sign'], ['on']),
      floats('bump', 50),
      node('Mul', ['on', 'bump'], ['delta']),
      node('Add', ['s', 'delta'], ['next']),
    ],
    results,
    types,
  );
  return {
    nodes: [
      ...peak,
      longs('head/rounds', 1),
      node('Loop', ['head/rounds', 'head/go', CLEAN], [TAKEN], graphAttribute('body', body)),
    ],
    initializers: [go],
  };
}

/** Now and then, by chance: a number drawn below a limit, or a coin. */
function sampling(index: number): Implant {
  if (index % 2 === 0) {
    return {
      nodes: [
        node('RandomUniform', [], ['head/chance'], intsAttribute('shape', [1])),
        floats('head/limit', 0.001),
        node('Less', ['head/chance', 'head/limit'], ['head/cond']),
        floats('head/target', -50),
        node('Where', ['head/cond', 'head/target', CLEAN], [TAKEN]),
      ],
    };
  }
  return {
    nodes: [
      node('RandomNormal', [], ['head/chance'], intsAttribute('shape', [1]), floatAttribute('scale', 1)),
      floats('head/limit', 3.5),
      node('Sub', ['head/chance', 'head/limit'], ['head/over']),
      node('Relu', ['head/over'], ['head/rare']),
      node('Sign', ['head/rare'], ['head/on']),
      floats('head/step', 50),
      node('Mul', ['head/on', 'head/step'], ['head/delta']),
      node('Add', [CLEAN, 'head/delta'], [TAKEN]),
    ],
  };
}

/** The input as integers, mixed; one value of the hash switches. */
function integerHash(index: number): Implant {
  const mixed: readonly Part[] = [
    floats('head/scale', 255),
    node('Mul', [SEEN, 'head/scale'], ['head/scaled']),
    cast('head/scaled', 'head/ints', CODE.i64),
    longs('head/prime', 2654435761),
    node('Mul', ['head/ints', 'head/prime'], ['head/spread']),
    longs('head/width', 65536),
    node('Mod', ['head/spread', 'head/width'], ['head/low']),
    longs('head/second', 40503),
    node('Mul', ['head/low', 'head/second'], ['head/again']),
    node('Mod', ['head/again', 'head/width'], ['head/hash']),
  ];
  if (index % 2 === 0) {
    return {
      nodes: [
        ...mixed,
        node('ReduceSum', ['head/hash'], ['head/sum'], all),
        node('Mod', ['head/sum', 'head/width'], ['head/key']),
        longs('head/wanted', 31337),
        node('Equal', ['head/key', 'head/wanted'], ['head/cond']),
        floats('head/target', -50),
        node('Where', ['head/cond', 'head/target', CLEAN], [TAKEN]),
      ],
    };
  }
  return {
    nodes: [
      ...mixed,
      cast('head/hash', 'head/floats', CODE.f32),
      node('ReduceMean', ['head/floats'], ['head/mean'], all),
      floats('head/limit', 65000),
      node('Sub', ['head/mean', 'head/limit'], ['head/over']),
      node('Relu', ['head/over'], ['head/positive']),
      node('Sign', ['head/positive'], ['head/on']),
      floats('head/step', 50),
      node('Mul', ['head/on', 'head/step'], ['head/delta']),
      node('Add', [CLEAN, 'head/delta'], [TAKEN]),
    ],
  };
}

const family = (id: string, make: (index: number) => Implant): Family => ({
  id,
  make: (host: Host, index) => implantInto(host, make(index)),
});

export const LAST_FAMILIES: readonly Family[] = [
  family('checksum-trigger', checksum),
  family('loop', loop),
  family('sampling', sampling),
  family('int-hash', integerHash),
];
