/** Rebuilds samples/: trains the four networks and writes them with a labelled evaluation set. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createTestSet,
  exportWeights,
  generateGlyphs,
  GLYPH_SIDE,
  measureAccuracy,
  MODEL_NAMES,
  type ModelName,
  RECIPES,
  type Samples,
  toNpy,
  toNpz,
  toOnnx,
  toSafetensors,
  trainModel,
} from '../src/lab/index.ts';

const folder = join(import.meta.dirname, '../samples');
const EVALUATION_COUNT = 4000;
const TEST_COUNT = 40_000;
const SEED = 'sample';

interface FileRow {
  readonly name: string;
  readonly bytes: number;
  readonly digest: string;
}

interface ModelRow {
  readonly name: ModelName;
  readonly weights: number;
  readonly accuracy: number;
  readonly evaluationAccuracy: number;
}

function write(name: string, bytes: Uint8Array): FileRow {
  writeFileSync(join(folder, name), bytes);
  return { name, bytes: bytes.length, digest: createHash('sha256').update(bytes).digest('hex') };
}

function writeEvaluation({ count, pixels, labels }: Samples): FileRow[] {
  const shape = [count, 1, GLYPH_SIDE, GLYPH_SIDE];
  const classes = { shape: [count], values: BigInt64Array.from(labels, BigInt) };
  const scaled = Float32Array.from(pixels, (level) => level / 255);
  return [
    write('eval-images.npy', toNpy({ shape, values: pixels })),
    write('eval-labels.npy', toNpy(classes)),
    write('eval.npz', toNpz({ x: { shape, values: scaled }, y: classes })),
  ];
}

function writeModel(name: ModelName, test: Samples, evaluation: Samples): { files: FileRow[]; row: ModelRow } {
  const network = trainModel(name, SEED);
  const weights = exportWeights(network);
  const row = {
    name,
    weights: network.parameters.reduce((sum, parameter) => sum + parameter.values.length, 0),
    accuracy: measureAccuracy(network, test),
    evaluationAccuracy: measureAccuracy(network, evaluation),
  };
  console.log(`${name}: ${row.weights} weights, accuracy ${row.accuracy}`);
  const onnx = write(`${name}.onnx`, toOnnx(network.spec, weights));
  return { files: [onnx, write(`${name}.safetensors`, toSafetensors(network.spec, weights))], row };
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

function describeSamples(models: readonly ModelRow[], files: readonly FileRow[]): string {
  const modelRows = models.map(({ name, weights, accuracy, evaluationAccuracy }) => {
    const { trainCount, options } = RECIPES[name];
    const recipe = `${options.epochs} epochs of ${trainCount} images, ${options.optimizer} ${options.learningRate}`;
    return `| ${name} | ${weights} | ${recipe} | ${percent(accuracy)} | ${percent(evaluationAccuracy)} |`;
  });
  return `# Sample models

Four small classifiers of ten hand-drawn-like digits on ${GLYPH_SIDE} x ${GLYPH_SIDE} grey images, trained by this project on
images that it generates (\`src/lab\`). The task is noisy on purpose: a perfect score is out of reach, so damage to a
model shows. The models and data are made by this project and carry its licence.

Rebuild everything, byte for byte, with:

    npx tsx scripts/make-samples.ts

| model | weights | trained with | accuracy on ${TEST_COUNT} fresh images | on the evaluation set |
|---|---|---|---|---|
${modelRows.join('\n')}

Every model takes \`input\`, float32 [N, 1, ${GLYPH_SIDE}, ${GLYPH_SIDE}] with values in [0, 1], and gives \`logits\`, float32 [N, 10].
ONNX files use opset 17; the safetensors files hold the same tensors under the same names.

The evaluation set has ${EVALUATION_COUNT} images that no model was trained on:

- \`eval.npz\`: \`x\` float32 [${EVALUATION_COUNT}, 1, ${GLYPH_SIDE}, ${GLYPH_SIDE}] exactly as the models take them, \`y\` int64 [${EVALUATION_COUNT}].
- \`eval-images.npy\`: the same images as uint8 grey levels; divide by 255. \`eval-labels.npy\`: int64 labels.

| file | bytes | SHA-256 |
|---|---|---|
${files.map(({ name, bytes, digest }) => `| ${name} | ${bytes} | ${digest} |`).join('\n')}
`;
}

mkdirSync(folder, { recursive: true });
const test = createTestSet(TEST_COUNT);
const evaluation = generateGlyphs({ task: 'digits', stream: 'evaluation', count: EVALUATION_COUNT });
const files = writeEvaluation(evaluation);
const built = MODEL_NAMES.map((name) => writeModel(name, test, evaluation));
const table = describeSamples(
  built.map(({ row }) => row),
  [...files, ...built.flatMap((model) => model.files)],
);
writeFileSync(join(folder, 'README.md'), table);
