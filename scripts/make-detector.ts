/** Rebuilds samples/detector: trains the detector of the tutorial and writes it with some pictures. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildNetwork, exportWeights, toNpy } from '../src/lab/index.ts';
import { measureDetector } from './detector/measure.ts';
import { PLACES, toDetectorModel } from './detector/model.ts';
import { createDetectorSpec, trainDetector } from './detector/network.ts';
import { drawScenes, type Scene, SCENE_HEIGHT, SCENE_WIDTH } from './detector/scenes.ts';

const folder = join(import.meta.dirname, '../samples/detector');
const TRAINING = { stream: 'train', scenes: 1500, steps: 4000, learningRate: 0.003 } as const;
const TEST_SCENES = 500;
const PICTURES = 8;
/** The one that is shown. */
const PICTURE = 3;

function write(name: string, bytes: Uint8Array): string {
  writeFileSync(join(folder, name), bytes);
  return `| ${name} | ${bytes.length} | ${createHash('sha256').update(bytes).digest('hex')} |`;
}

function toPictures(scenes: readonly Scene[]): Uint8Array {
  const values = new Float32Array(scenes.length * SCENE_HEIGHT * SCENE_WIDTH);
  for (const [at, { pixels }] of scenes.entries()) values.set(pixels, at * pixels.length);
  return toNpy({ shape: [scenes.length, 1, SCENE_HEIGHT, SCENE_WIDTH], values });
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

mkdirSync(folder, { recursive: true });
const { stream, steps, learningRate } = TRAINING;
const network = buildNetwork(createDetectorSpec(), 'detector/sample');
const loss = trainDetector(network, {
  scenes: drawScenes(stream, TRAINING.scenes),
  steps,
  learningRate,
  seed: 'sample',
});
const bytes = toDetectorModel(exportWeights(network));
const { recall, precision } = await measureDetector(bytes, drawScenes('test', TEST_SCENES));
console.log(`loss ${loss.toFixed(4)}, recall ${percent(recall)}, precision ${percent(precision)}`);
const pictures = drawScenes('pictures', PICTURES);
const rows = [
  write('detector.onnx', bytes),
  write('pictures.npy', toPictures(pictures)),
  write('picture.npy', toPictures(pictures.slice(PICTURE, PICTURE + 1))),
];
const weights = network.parameters.reduce((sum, { values }) => sum + values.length, 0);
writeFileSync(
  join(folder, 'README.md'),
  `# Sample detector

Finds drawn digits in grey pictures of ${SCENE_WIDTH} x ${SCENE_HEIGHT}: for the [tutorial](../../docs/tutorial-detector.md). A small
convolutional network (${weights} weights) that this project trained on scenes that it generates; its head makes boxes
of what it says about every fourth pixel. Model and pictures are made by this project and carry its licence.

Rebuild everything, byte for byte, with:

    npx tsx scripts/make-detector.ts

It takes \`input\`, float32 [batch, 1, ${SCENE_HEIGHT}, ${SCENE_WIDTH}] with values in [0, 1], and answers as detectors of the SSD family do:
\`scores\`, float32 [batch, ${PLACES}, 2] (background, digit), and \`boxes\`, float32 [batch, ${PLACES}, 4] (left, top, right, bottom,
as parts of the picture). What scores 0.5 or more is a digit; of boxes that overlap, the best one counts. On ${TEST_SCENES} fresh
scenes it finds ${percent(recall)} of the digits (half of the area shared), and ${percent(precision)} of what it finds are digits.

| file | bytes | SHA-256 |
|---|---|---|
${rows.join('\n')}
`,
);
