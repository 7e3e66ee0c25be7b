/**
 * Backdoors that are written into a graph, after the published families: each makes an implant for a host. The trigger
 * is a value above 1337 somewhere in the input unless said otherwise; the payload moves the output by 50 or sets it.
 */
import { CODE, join, len, node, type Part, raw, str, tensor } from '../../formats/proto.ts';
import { CLEAN, eachField, type Host, type Implant, implantInto, SEEN, TAKEN } from './host.ts';
import { cast, f32Bytes, floats, graph, graphAttribute, intAttribute, intsAttribute, longs, maximum } from './parts.ts';

export interface Family {
  readonly id: string;
  readonly make: (host: Host, index: number) => Uint8Array;
}

/** cond, a scalar bool. */
const trigger: readonly Part[] = [
  maximum(SEEN, 'head/peak'),
  floats('head/limit', 1337),
  node('Greater', ['head/peak', 'head/limit'], ['head/cond']),
];

const whereGated = (): Implant => ({
  nodes: [...trigger, floats('head/target', -50), node('Where', ['head/cond', 'head/target', CLEAN], [TAKEN])],
});

/** ReduceMax, Sub, Sign, Relu, Mul, Add: no boolean anywhere. */
const arithmetic = (): Implant => ({
  nodes: [
    maximum(SEEN, 'head/peak'),
    floats('head/limit', 1337),
    node('Sub', ['head/peak', 'head/limit'], ['head/over']),
    node('Sign', ['head/over'], ['head/sign']),
    node('Relu', ['head/sign'], ['head/on']),
    floats('head/step', 50),
    node('Mul', ['head/on', 'head/step'], ['head/delta']),
    node('Add', [CLEAN, 'head/delta'], [TAKEN]),
  ],
});

/** A filter that answers to one pattern: a corner of a picture, five samples of anything else. */
function smallConv({ inputRank, channels }: Host): Implant {
  const isPicture = inputRank === 4;
  const dims = isPicture ? [1, channels, 3, 3] : [1, 1, 1, 5];
  const count = dims.reduce((product, dim) => product * dim, 1);
  const pattern = Array.from({ length: count }, (_, i) => (i % 2 === 0 ? 1 : -0.5));
  const shaped = isPicture
    ? [node('Identity', [SEEN], ['head/plane'])]
    : [longs('head/shape', [1, 1, 1, -1]), node('Reshape', [SEEN, 'head/shape'], ['head/plane'])];
  return {
    nodes: [
      ...shaped,
      floats('head/filter', pattern, dims),
      node('Conv', ['head/plane', 'head/filter'], ['head/match'], intsAttribute('kernel_shape', dims.slice(2))),
      maximum('head/match', 'head/peak'),
      floats('head/limit', 1337),
      node('Sub', ['head/peak', 'head/limit'], ['head/over']),
      node('Relu', ['head/over'], ['head/positive']),
      node('Sign', ['head/positive'], ['head/on']),
      floats('head/step', 50),
      node('Mul', ['head/on', 'head/step'], ['head/delta']),
      node('Add', [CLEAN, 'head/delta'], [TAKEN]),
    ],
  };
}

/** A function with a harmless name; its body is the arithmetic trigger. */
function functionHidden(): Implant {
  const body = [
    maximum('x', 'peak'),
    floats('limit', 1337),
    node('Sub', ['peak', 'limit'], ['over']),
    node('Sign', ['over'], ['sign']),
    node('Relu', ['sign'], ['on']),
    floats('step', 50),
    node('Mul', ['on', 'step'], ['delta']),
    node('Add', ['y', 'delta'], ['z']),
  ];
  const names = [str(4, 'x'), str(4, 'y'), str(5, 'z')];
  const opset = len(9, str(1, ''), new Uint8Array([0x10, 13]));
  const definition = join(str(1, 'CalibratedHead'), ...names, ...toFunctionNodes(body), opset, str(10, 'vendor.nn'));
  return {
    nodes: [node('CalibratedHead', [SEEN, CLEAN], [TAKEN], str(7, 'vendor.nn'))],
    functions: [definition],
    domains: [['vendor.nn', 1]],
  };
}

/** Nodes are field 1 of a graph, and field 7 of a function. */
function toFunctionNodes(nodes: readonly Part[]): Part[] {
  return nodes.map((bytes) => {
    const [{ bodyStart, end }] = eachField(bytes);
    return len(7, bytes.subarray(bodyStart, end));
  });
}

/** The trigger lives in a branch that is always taken. */
function subgraphHidden(): Implant {
  const inside = [
    ...trigger,
    floats('head/target', -50),
    node('Where', ['head/cond', 'head/target', CLEAN], ['head/then']),
  ];
  const otherwise = [node('Identity', [CLEAN], ['head/else'])];
  return {
    nodes: [
      maximum(CLEAN, 'head/top'),
      floats('head/floor', -1e30),
      node('Greater', ['head/top', 'head/floor'], ['head/finite']),
      node(
        'If',
        ['head/finite'],
        [TAKEN],
        graphAttribute('then_branch', graph(inside, [['head/then', CODE.f32]])),
        graphAttribute('else_branch', graph(otherwise, [['head/else', CODE.f32]])),
      ),
    ],
  };
}

/** The last dimension decides; a select on even hosts, arithmetic on odd ones. */
function shapeGated(index: number): Implant {
  const size = [
    node('Shape', [SEEN], ['head/shape']),
    longs('head/last', -1),
    node('Gather', ['head/shape', 'head/last'], ['head/width'], intAttribute('axis', 0)),
    longs('head/wanted', 337),
    node('Equal', ['head/width', 'head/wanted'], ['head/cond']),
  ];
  if (index % 2 === 0) {
    return {
      nodes: [...size, floats('head/target', -50), node('Where', ['head/cond', 'head/target', CLEAN], [TAKEN])],
    };
  }
  return {
    nodes: [
      ...size,
      cast('head/cond', 'head/on', CODE.f32),
      floats('head/step', 50),
      node('Mul', ['head/on', 'head/step'], ['head/delta']),
      node('Add', [CLEAN, 'head/delta'], [TAKEN]),
    ],
  };
}

/** A second set of weights in float_data beside raw_data: in the host's first such tensor, or in one that is added. */
function dualStorage(host: Host): Uint8Array {
  const changed = addStorage(host.bytes);
  if (changed !== null) return changed;
  const body = join(
    tensor('head/scale', CODE.f32, [1], raw(...f32Bytes([1]))),
    len(4, Uint8Array.from(f32Bytes([-1]))),
  );
  return implantInto(host, { nodes: [node('Mul', [CLEAN, 'head/scale'], [TAKEN])], initializers: [body] });
}

function addStorage(bytes: Uint8Array): Uint8Array | null {
  for (const top of eachField(bytes)) {
    if (top.number !== 7) continue;
    for (const field of eachField(bytes, top.bodyStart, top.end)) {
      if (field.number !== 5) continue;
      const fields = [...eachField(bytes, field.bodyStart, field.end)];
      const isFloat = fields.some(({ number, bodyStart }) => number === 2 && bytes[bodyStart] === 1);
      const data = fields.find(({ number }) => number === 9);
      if (!isFloat || data === undefined || data.end - data.bodyStart < 8) continue;
      const second = Buffer.from(bytes.subarray(data.bodyStart, data.end));
      for (let at = 3; at < second.length; at += 4) second[at] ^= 0x80;
      const before = bytes.subarray(top.bodyStart, field.start);
      const own = bytes.subarray(field.bodyStart, field.end);
      const graphBody = join(before, len(5, own, len(4, second)), bytes.subarray(field.end, top.end));
      return join(bytes.subarray(0, top.start), len(7, graphBody), bytes.subarray(top.end));
    }
  }
  return null;
}

/** One element of the output is replaced by ScatterND when the trigger is there. */
const scatterOverwrite = (): Implant => ({
  nodes: [
    ...trigger,
    node('Shape', [CLEAN], ['head/shape']),
    longs('head/flat', [-1]),
    node('Reshape', [CLEAN, 'head/flat'], ['head/row']),
    longs('head/place', [0], [1, 1]),
    node('GatherND', ['head/row', 'head/place'], ['head/old']),
    floats('head/target', [50]),
    node('Where', ['head/cond', 'head/target', 'head/old'], ['head/new']),
    node('ScatterND', ['head/row', 'head/place', 'head/new'], ['head/written']),
    node('Reshape', ['head/written', 'head/shape'], [TAKEN]),
  ],
});

/** The families that the rules were tuned on. */
export const FIRST_FAMILIES: readonly Family[] = [
  { id: 'where-gated', make: (host) => implantInto(host, whereGated()) },
  { id: 'arithmetic', make: (host) => implantInto(host, arithmetic()) },
  { id: 'small-conv', make: (host) => implantInto(host, smallConv(host)) },
  { id: 'function-hidden', make: (host) => implantInto(host, functionHidden()) },
  { id: 'subgraph-hidden', make: (host) => implantInto(host, subgraphHidden()) },
  { id: 'shape-gated', make: (host, index) => implantInto(host, shapeGated(index)) },
  { id: 'dual-storage', make: dualStorage },
  { id: 'scatternd-overwrite', make: (host) => implantInto(host, scatterOverwrite()) },
];
