/**
 * Honest graphs that look like triggers: what real networks do with masks, sizes, statistics of their input, chance and
 * control inputs. Weights are arbitrary; only the shape of the graph matters. Two of them are expected to alarm.
 */
import { CODE, initializer, len, model, node, type Part, raw, tensor } from '../../formats/proto.ts';
import { cast, floats, graph, graphAttribute, intAttribute, intsAttribute, longs, value } from './parts.ts';

export interface BenignGraph {
  readonly name: string;
  readonly bytes: Uint8Array;
}

let state = 1;
function weight(name: string, dims: readonly number[]): Part {
  const count = dims.reduce((product, dim) => product * dim, 1);
  const values = Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32 - 0.5) / 4;
  });
  return initializer(tensor(name, CODE.f32, dims, len(9, new Uint8Array(Float32Array.from(values).buffer))));
}

/** A model of nodes and initializers; values have types and no shapes, outputs are f32. */
export function named(
  name: string,
  parts: readonly Part[],
  inputs: readonly (readonly [string, number])[],
  outputs: readonly string[] = ['y'],
): BenignGraph {
  const types = inputs.map(([input, code]) => len(11, value(input, code)));
  const results = outputs.map((output) => len(12, value(output, CODE.f32)));
  return { name, bytes: model(Buffer.concat([...parts, ...types, ...results])) };
}

const F = CODE.f32;
const axis = (at: number): Part => intAttribute('axis', at);
const axes = (at: readonly number[], keep = 1): Part[] => [intsAttribute('axes', at), intAttribute('keepdims', keep)];
const linear = (from: string, to: string, dims: readonly [number, number]): Part[] => [
  weight(`${to}.w`, dims),
  node('MatMul', [from, `${to}.w`], [to]),
];

/** Tokens to vectors, averaged over those that the mask keeps. */
const meanPooling = (): BenignGraph =>
  named(
    'sentence-mean-pooling',
    [
      weight('table', [200, 64]),
      node('Gather', ['table', 'ids'], ['e']),
      ...linear('e', 'h', [64, 64]),
      cast('mask', 'm', F),
      longs('two', [2]),
      node('Unsqueeze', ['m', 'two'], ['m3']),
      node('Mul', ['h', 'm3'], ['kept']),
      node('ReduceMean', ['kept'], ['sum'], ...axes([1], 0)),
      node('ReduceMean', ['m3'], ['count'], ...axes([1], 0)),
      floats('eps', 1e-9),
      node('Clip', ['count', 'eps'], ['safe']),
      node('Div', ['sum', 'safe'], ['y']),
    ],
    [
      ['ids', CODE.i64],
      ['mask', CODE.i64],
    ],
  );

/** Padding is kept out of attention by a large negative number. */
const attentionMask = (): BenignGraph =>
  named(
    'attention-padding-mask',
    [
      weight('table', [200, 64]),
      node('Gather', ['table', 'ids'], ['e']),
      ...['q', 'k', 'v'].flatMap((name) => linear('e', name, [64, 64])),
      node('Transpose', ['k'], ['kt'], intsAttribute('perm', [0, 2, 1])),
      node('MatMul', ['q', 'kt'], ['scores']),
      longs('pad', 0),
      node('Equal', ['ids', 'pad'], ['isPad']),
      longs('one', [1]),
      node('Unsqueeze', ['isPad', 'one'], ['isPad3']),
      floats('low', -1e4),
      node('Where', ['isPad3', 'low', 'scores'], ['masked']),
      node('Softmax', ['masked'], ['p'], axis(2)),
      node('MatMul', ['p', 'v'], ['o']),
      ...linear('o', 'y', [64, 10]),
    ],
    [['ids', CODE.i64]],
  );

/** A causal mask from the length, and the row of the last token that is not padding. */
const lastToken = (): BenignGraph =>
  named(
    'causal-classifier-last-token',
    [
      weight('table', [200, 64]),
      node('Gather', ['table', 'ids'], ['e']),
      ...['q', 'k', 'v'].flatMap((name) => linear('e', name, [64, 64])),
      node('Transpose', ['k'], ['kt'], intsAttribute('perm', [0, 2, 1])),
      node('MatMul', ['q', 'kt'], ['scores']),
      node('Shape', ['ids'], ['s']),
      longs('one', 1),
      node('Gather', ['s', 'one'], ['n'], axis(0)),
      longs('zero', 0),
      node('Range', ['zero', 'n', 'one'], ['i']),
      longs('ax', [1]),
      node('Unsqueeze', ['i', 'ax'], ['row']),
      node('LessOrEqual', ['i', 'row'], ['isPast']),
      floats('low', -1e9),
      node('Where', ['isPast', 'scores', 'low'], ['masked']),
      node('Softmax', ['masked'], ['p'], axis(2)),
      node('MatMul', ['p', 'v'], ['o']),
      ...linear('o', 'logits', [64, 2]),
      longs('pad', 50256),
      node('Equal', ['ids', 'pad'], ['isPad']),
      node('Not', ['isPad'], ['isToken']),
      cast('isToken', 'tokens', CODE.i64),
      node('ReduceSum', ['tokens', 'ax'], ['length'], intAttribute('keepdims', 0)),
      node('Sub', ['length', 'one'], ['last']),
      node('Gather', ['logits', 'last'], ['y'], axis(1)),
    ],
    [['ids', CODE.i64]],
  );

/** The series is normalised by its own mean and spread, which are put back at the end. */
const reversibleNorm = (): BenignGraph =>
  named(
    'forecaster-reversible-normalisation',
    [
      node('ReduceMean', ['x'], ['mean'], ...axes([1])),
      node('Sub', ['x', 'mean'], ['c']),
      node('Mul', ['c', 'c'], ['cc']),
      node('ReduceMean', ['cc'], ['var'], ...axes([1])),
      floats('eps', 1e-5),
      node('Add', ['var', 'eps'], ['v']),
      node('Sqrt', ['v'], ['std']),
      node('Div', ['c', 'std'], ['n']),
      ...linear('n', 'h', [96, 256]),
      node('Relu', ['h'], ['a']),
      ...linear('a', 'f', [256, 24]),
      node('Mul', ['f', 'std'], ['fs']),
      node('Add', ['fs', 'mean'], ['y']),
    ],
    [['x', F]],
  );

/** Squeeze and excitation behind the first layer. */
const excitation = (): BenignGraph =>
  named(
    'squeeze-excitation',
    [
      weight('c1', [16, 3, 3, 3]),
      node('Conv', ['x', 'c1'], ['f'], intsAttribute('kernel_shape', [3, 3])),
      node('GlobalAveragePool', ['f'], ['p']),
      weight('s1', [8, 16, 1, 1]),
      node('Conv', ['p', 's1'], ['q'], intsAttribute('kernel_shape', [1, 1])),
      node('Relu', ['q'], ['r']),
      weight('s2', [16, 8, 1, 1]),
      node('Conv', ['r', 's2'], ['t'], intsAttribute('kernel_shape', [1, 1])),
      node('HardSigmoid', ['t'], ['gate']),
      node('Mul', ['f', 'gate'], ['g']),
      weight('c2', [64, 16, 3, 3]),
      node('Conv', ['g', 'c2'], ['z'], intsAttribute('kernel_shape', [3, 3])),
      node('GlobalAveragePool', ['z'], ['zz']),
      node('Flatten', ['zz'], ['flat']),
      ...linear('flat', 'y', [64, 10]),
    ],
    [['x', F]],
  );

/** A variational decoder: noise scaled by what the encoder computed. */
const sampling = (): BenignGraph =>
  named(
    'variational-autoencoder',
    [
      ...linear('x', 'h', [64, 128]),
      node('Relu', ['h'], ['a']),
      ...linear('a', 'mu', [128, 32]),
      ...linear('a', 'logvar', [128, 32]),
      node('Exp', ['logvar'], ['sd']),
      node('RandomNormalLike', ['sd'], ['noise']),
      node('Mul', ['noise', 'sd'], ['n']),
      node('Add', ['mu', 'n'], ['z']),
      ...linear('z', 'y', [32, 64]),
    ],
    [['x', F]],
  );

/** Early exit: the network's own confidence chooses how far it computes. */
const earlyExit = (): BenignGraph =>
  named(
    'early-exit',
    [
      ...linear('x', 'h', [64, 128]),
      node('Relu', ['h'], ['a']),
      ...linear('a', 'first', [128, 10]),
      node('Softmax', ['first'], ['p'], axis(1)),
      node('ReduceMax', ['p'], ['top'], intAttribute('keepdims', 0)),
      floats('sure', 0.9),
      node('Greater', ['top', 'sure'], ['isSure']),
      weight('deep.w', [128, 10]),
      node(
        'If',
        ['isSure'],
        ['y'],
        graphAttribute('then_branch', graph([node('Identity', ['first'], ['t'])], [['t', F]])),
        graphAttribute('else_branch', graph([node('MatMul', ['a', 'deep.w'], ['e'])], [['e', F]])),
      ),
    ],
    [['x', F]],
  );

/** A scalar input chooses the branch for one of two sample rates. */
const modeSwitch = (): BenignGraph =>
  named(
    'sample-rate-switch',
    [
      weight('w16', [256, 64]),
      weight('w8', [256, 64]),
      longs('rate', 16000),
      node('Equal', ['sr', 'rate'], ['is16']),
      node(
        'If',
        ['is16'],
        ['h'],
        graphAttribute('then_branch', graph([node('MatMul', ['x', 'w16'], ['t'])], [['t', F]])),
        graphAttribute('else_branch', graph([node('MatMul', ['x', 'w8'], ['e'])], [['e', F]])),
      ),
      ...linear('h', 'y', [64, 1]),
    ],
    [
      ['x', F],
      ['sr', CODE.i64],
    ],
  );

/** Activations are quantised by their own range. */
const dynamicQuantised = (): BenignGraph =>
  named(
    'dynamic-quantised-linear',
    [
      node('DynamicQuantizeLinear', ['x'], ['xq', 'xs', 'xz']),
      initializer(tensor('wq', CODE.i8, [64, 32], raw(...Array.from({ length: 2048 }, (_, i) => (i * 37) % 251)))),
      node('MatMulInteger', ['xq', 'wq', 'xz'], ['acc']),
      cast('acc', 'accf', F),
      floats('ws', 0.02),
      node('Mul', ['xs', 'ws'], ['scale']),
      node('Mul', ['accf', 'scale'], ['h']),
      node('Relu', ['h'], ['a']),
      ...linear('a', 'y', [32, 10]),
    ],
    [['x', F]],
  );

/** Sound is scaled by its peak; silence is not divided by zero. */
const peakNormalised = (): BenignGraph =>
  named(
    'audio-peak-normalisation',
    [
      node('Abs', ['x'], ['abs']),
      node('ReduceMax', ['abs'], ['peak'], intAttribute('keepdims', 0)),
      floats('eps', 1e-5),
      node('Max', ['peak', 'eps'], ['safe']),
      node('Div', ['x', 'safe'], ['n']),
      ...linear('n', 'h', [512, 64]),
      node('Relu', ['h'], ['a']),
      ...linear('a', 'y', [64, 4]),
    ],
    [['x', F]],
  );

/** Up-sampling to the size of the input, rounded. */
const resizeToInput = (): BenignGraph =>
  named(
    'segmentation-resize-to-input',
    [
      weight('c1', [32, 3, 3, 3]),
      node('Conv', ['x', 'c1'], ['f'], intsAttribute('kernel_shape', [3, 3]), intsAttribute('strides', [2, 2])),
      node('Relu', ['f'], ['a']),
      weight('c2', [8, 32, 3, 3]),
      node('Conv', ['a', 'c2'], ['z'], intsAttribute('kernel_shape', [3, 3])),
      node('Shape', ['x'], ['s']),
      cast('s', 'sf', F),
      floats('half', 0.5),
      node('Mul', ['sf', 'half'], ['sh']),
      node('Floor', ['sh'], ['sfl']),
      cast('sfl', 'si', CODE.i64),
      node('Resize', ['z', '', '', 'si'], ['y']),
    ],
    [['x', F]],
  );

/** Boxes below a score are dropped: the decision is the network's. */
const detector = (): BenignGraph =>
  named(
    'detector-score-threshold',
    [
      weight('c1', [32, 3, 3, 3]),
      node('Conv', ['x', 'c1'], ['f'], intsAttribute('kernel_shape', [3, 3])),
      node('Relu', ['f'], ['a']),
      weight('c2', [16, 32, 3, 3]),
      node('Conv', ['a', 'c2'], ['z'], intsAttribute('kernel_shape', [3, 3])),
      node('Sigmoid', ['z'], ['p']),
      floats('limit', 0.37),
      node('Greater', ['p', 'limit'], ['isBox']),
      floats('none', 0),
      node('Where', ['isBox', 'p', 'none'], ['y']),
    ],
    [['x', F]],
  );

/** Pictures of 0..255 are scaled, those of 0..1 are not. Expected: suspicious, since a value of the input decides. */
const autoScale = (): BenignGraph =>
  named(
    'picture-auto-scale',
    [
      node('ReduceMax', ['x'], ['peak'], intAttribute('keepdims', 0)),
      floats('limit', 2),
      node('Greater', ['peak', 'limit'], ['isBytes']),
      floats('scale', 255),
      node('Div', ['x', 'scale'], ['small']),
      node('Where', ['isBytes', 'small', 'x'], ['n']),
      weight('c1', [32, 3, 3, 3]),
      node('Conv', ['n', 'c1'], ['f'], intsAttribute('kernel_shape', [3, 3])),
      node('GlobalAveragePool', ['f'], ['p']),
      node('Flatten', ['p'], ['flat']),
      ...linear('flat', 'y', [32, 10]),
    ],
    [['x', F]],
  );

/** Nothing is said in silence. Expected: high, since this is a trigger in all but intent. */
const energyGate = (): BenignGraph =>
  named(
    'audio-energy-gate',
    [
      node('Mul', ['x', 'x'], ['xx']),
      node('ReduceMean', ['xx'], ['energy'], ...axes([1])),
      floats('floor', 0.0001),
      node('Greater', ['energy', 'floor'], ['isLoud']),
      cast('isLoud', 'on', F),
      ...linear('x', 'h', [512, 64]),
      node('Relu', ['h'], ['a']),
      ...linear('a', 'p', [64, 1]),
      node('Mul', ['p', 'on'], ['y']),
    ],
    [['x', F]],
  );

/** Sequences of a length that the caller gives. Expected: suspicious. */
const givenLength = (): BenignGraph =>
  named(
    'decoder-with-given-length',
    [
      ...linear('x', 'h0', [64, 64]),
      weight('step.w', [64, 64]),
      initializer(tensor('go', CODE.bool, [], raw(1))),
      node(
        'Loop',
        ['steps', 'go', 'h0'],
        ['h'],
        graphAttribute(
          'body',
          graph(
            [node('MatMul', ['s', 'step.w'], ['m']), node('Tanh', ['m'], ['next']), node('Identity', ['c'], ['again'])],
            [
              ['again', CODE.bool],
              ['next', F],
            ],
            [
              ['i', CODE.i64],
              ['c', CODE.bool],
              ['s', F],
            ],
          ),
        ),
      ),
      ...linear('h', 'y', [64, 10]),
    ],
    [
      ['x', F],
      ['steps', CODE.i64],
    ],
  );

/** Deterministic. */
export function toBenignGraphs(): BenignGraph[] {
  state = 1;
  return [
    meanPooling(),
    attentionMask(),
    lastToken(),
    reversibleNorm(),
    excitation(),
    sampling(),
    earlyExit(),
    modeSwitch(),
    dynamicQuantised(),
    peakNormalised(),
    resizeToInput(),
    detector(),
    autoScale(),
    energyGate(),
    givenLength(),
  ];
}
