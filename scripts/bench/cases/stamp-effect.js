/**
 * `stamp-effect.js KIND MODEL`: puts an output mark into a model, and runs both in turn. Prints the ratios of times with the middle
 * half, the sizes, and whether the mark is read back.
 */
import { readFileSync } from 'node:fs';
import { findRuntime } from '../../../dist/adapters/runtime/index.js';
import { readRuntimeModel } from '../../../dist/fidelity/index.js';
import { openModelPath } from '../../../dist/formats/index.js';
import { toTextPayload, editOutputMark, readOutputMark, toOutputMark } from '../../../dist/watermark/index.js';
import { toMarkSpec } from '../../../dist/workflows/output-mark/specs.js';

const [, , kind, path] = process.argv;
const PAIRS = 41;
const model = openModelPath(path);
const payload = toTextPayload('licence', '(c) 2026 Acme, licence 7');
const key = new Uint8Array(32).fill(7);
const image = { output: null, layout: null, height: null, width: null };
const wishes = {
  boxes: { boxes: null, scores: null, format: 'xyxy', width: 1, height: 1, score: 0.05, payload, key },
  scores: { output: null, step: 1e-4, payload, key },
  image: { ...image, range: null, position: 'bottom-right', opacity: 0.5, size: 0.4, payload },
  hidden: { ...image, amplitude: null, cell: 4, payload, key },
  signature: { output: null, payload },
  checksum: { output: null, as: 'output', into: null, step: 1e-4 },
};
const mark = toOutputMark(toMarkSpec(model, { kind, ...wishes[kind] }));
const plan = editOutputMark(model, mark).toRewrite();
const runtime = await findRuntime();
const marked = readRuntimeModel(model, plan);
const before = await runtime.load(readRuntimeModel(model));
const after = await runtime.load(marked);
const feeds = new Map(
  before.inputs.map(({ name, shape }) => {
    // A free dimension is the batch.
    const dims = shape.map((dim) => (typeof dim === 'number' && dim > 0 ? dim : 64));
    const count = dims.reduce((product, dim) => product * dim, 1);
    const values = Float32Array.from({ length: count }, (_, i) => (Math.imul(i, 2654435761) >>> 8) / 2 ** 24);
    return [name, { dtype: 'f32', shape: dims, data: new Uint8Array(values.buffer) }];
  }),
);
const { wall, cpu } = await runPairs(before, after, feeds);
const reading = readOutputMark(await after.run(feeds), mark, 1);
const isRead =
  'isFound' in reading
    ? reading.isFound
    : reading.kind === 'checksum'
      ? reading.wrong.length === 0
      : reading.evidenceBits > 16;
console.log(
  JSON.stringify({
    ...{ wall: toQuantile(wall, 0.5), cpu: toQuantile(cpu, 0.5) },
    ...{ cpuLow: toQuantile(cpu, 0.25), cpuHigh: toQuantile(cpu, 0.75) },
    bytesBefore: readFileSync(path).length,
    bytesAfter: marked.main.length,
    isRight: isRead,
  }),
);

/** Ratios of pairs that ran one right after the other, whoever first in turn; CPU is of the whole process, which runs nothing else. */
async function runPairs(before, after, feeds) {
  const time = async (session, repeats) => {
    const [started, used] = [performance.now(), process.cpuUsage()];
    for (let i = 0; i < repeats; i++) await session.run(feeds);
    const { user, system } = process.cpuUsage(used);
    return { wallMs: performance.now() - started, cpuUs: user + system };
  };
  await time(after, 3);
  const once = await time(before, 3);
  const repeats = Math.max(1, Math.round(150 / once.wallMs));
  const [wall, cpu] = [[], []];
  for (let pair = 0; pair < PAIRS; pair++) {
    const first = await time(pair % 2 === 0 ? before : after, repeats);
    const second = await time(pair % 2 === 0 ? after : before, repeats);
    const [old, now] = pair % 2 === 0 ? [first, second] : [second, first];
    wall.push(now.wallMs / old.wallMs);
    cpu.push(now.cpuUs / old.cpuUs);
  }
  return { wall, cpu };
}

function toQuantile(values, part) {
  return [...values].sort((a, b) => a - b)[Math.floor(part * (values.length - 1))];
}
