/** The sample detector as a model file: the trained window network, slid over a picture, with a head that makes boxes of it. */
import { openModel } from '../../src/formats/index.ts';
import { toOnnx, type Weights } from '../../src/lab/index.ts';
import type { Model } from '../../src/model/types.ts';
import { openBufferSource } from '../../src/source/index.ts';
import { editGraph, type TensorJson, toModelBytes, type Transaction } from '../../src/surgery/index.ts';
import { ANCHOR, createDetectorSpec, NUMBERS, STRIDE, WINDOW } from './network.ts';
import { SCENE_HEIGHT, SCENE_WIDTH } from './scenes.ts';

const ROWS = Math.floor((SCENE_HEIGHT - WINDOW) / STRIDE) + 1;
const COLUMNS = Math.floor((SCENE_WIDTH - WINDOW) / STRIDE) + 1;
/** Answers for one picture: the N of scores [batch, N, 2] and boxes [batch, N, 4]. */
export const PLACES = ROWS * COLUMNS;

/**
 * Input "input" f32 [batch, 1, 64, 96] in [0, 1]; outputs "scores" f32 [batch, N, 2] (background, digit) and "boxes" f32
 * [batch, N, 4] (left, top, right, bottom, as parts of the picture), as face detectors of the SSD family give them.
 */
export function toDetectorModel(weights: Weights): Uint8Array {
  const name = 'detector.onnx';
  const source = openBufferSource(name, toOnnx(createDetectorSpec(), weights));
  const model = openModel({ source, name, folder: null });
  return toModelBytes(editGraph(model, addHead));
}

function addHead(tx: Transaction): void {
  tx.setType('input', { dtype: 'f32', shape: ['batch', 1, SCENE_HEIGHT, SCENE_WIDTH] });
  const [flatten] = tx.find({ op: 'Flatten' });
  const answers = flatten.inputs[0];
  tx.deleteOutput('logits');
  tx.remove(flatten);
  const constant = (of: string, tensor: TensorJson): string => {
    tx.addInitializer(of, tensor);
    return of;
  };
  const ints = (of: string, ...values: number[]): string =>
    constant(of, { dtype: 'i64', shape: [values.length], values });
  const rows = ints('head.rows', 0, NUMBERS, -1);
  const cut = (from: string, start: number, end: number): string[] => [
    ...[from, ints(`${from}.${start}`, start), ints(`${from}.to${end}`, end), ints(`${from}.axis${start}`, 2)],
  ];
  const { centers, sizes } = toAnchors();
  const nodes: readonly (readonly [string, readonly string[], string, object?])[] = [
    ['Reshape', [answers, rows], 'head.flat'],
    ['Transpose', ['head.flat'], 'head.places', { perm: { ints: [0, 2, 1] } }],
    ['Slice', cut('head.places', 0, 2), 'classes'],
    ['Softmax', ['classes'], 'scores', { axis: { int: 2 } }],
    ['Slice', cut('head.places', 2, 4), 'offsets'],
    ['Slice', cut('head.places', 4, 6), 'growth'],
    ['Mul', ['offsets', constant('anchor.sizes', sizes)], 'shift'],
    ['Add', ['shift', constant('anchor.centers', centers)], 'center'],
    ['Exp', ['growth'], 'factor'],
    ['Mul', ['factor', 'anchor.sizes'], 'size'],
    ['Mul', ['size', constant('half', { dtype: 'f32', shape: [], values: [0.5] })], 'reach'],
    ['Sub', ['center', 'reach'], 'corner.near'],
    ['Add', ['center', 'reach'], 'corner.far'],
    ['Concat', ['corner.near', 'corner.far'], 'boxes', { axis: { int: 2 } }],
  ];
  tx.addNodes(
    nodes.map(([op, inputs, output, attributes]) => ({
      ...{ op, name: `head/${output}`, inputs: [...inputs], outputs: [output] },
      ...(attributes !== undefined && { attributes: attributes as Record<string, { int: number }> }),
    })),
  );
  tx.addOutput('scores', { dtype: 'f32', shape: ['batch', PLACES, 2] });
  tx.addOutput('boxes', { dtype: 'f32', shape: ['batch', PLACES, 4] });
}

/** Centre of every window, [1, N, 2], and the one size of an anchor, [1, 1, 2]: parts of the picture. */
function toAnchors(): { readonly centers: TensorJson; readonly sizes: TensorJson } {
  const values = Array.from({ length: PLACES }, (_, place) => {
    const [row, column] = [Math.floor(place / COLUMNS), place % COLUMNS];
    return [(column * STRIDE + WINDOW / 2) / SCENE_WIDTH, (row * STRIDE + WINDOW / 2) / SCENE_HEIGHT];
  });
  return {
    centers: { dtype: 'f32', shape: [1, PLACES, 2], values: values.flat() },
    sizes: { dtype: 'f32', shape: [1, 1, 2], values: [ANCHOR / SCENE_WIDTH, ANCHOR / SCENE_HEIGHT] },
  };
}

/**
 * The trained tensors of a detector, also of one with marks in its outputs.
 * @throws TypeError when one is missing
 */
export function readDetectorWeights(model: Model): Map<string, Float32Array> {
  const weights = new Map<string, Float32Array>();
  for (const tensor of model.tensors) {
    if (!/^(conv|bn|head)\d*\.(weight|bias|running_mean|running_var)$/.test(tensor.name)) continue;
    const bytes = new Uint8Array(tensor.byteLength);
    tensor.read(0, bytes);
    weights.set(tensor.name, new Float32Array(bytes.buffer));
  }
  return weights;
}
