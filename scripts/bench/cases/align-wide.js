/** Aligns a layer of 4,096 neurons, permuted, rescaled and noisy, to its original in memory; prints seconds of CPU and hits. */
import { alignSuspect, toTopology } from '../../../dist/align/index.js';

const [WIDTH, OUTPUTS] = [4096, 1024];
let state = 12345;
const uniform = () => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return ((state >>> 0) + 0.5) / 2 ** 32;
};
const table = Float32Array.from(
  { length: 2 ** 20 },
  () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
);
const normal = () => table[Math.floor(uniform() * table.length)];
const draw = (length) => Float32Array.from({ length }, normal);

/** x · w1, ReLU, · w2 with both matrices as [out, in]. */
function toModel(first, second) {
  const tensor = (name, shape, values) => ({
    ...{ name, dtype: 'f32', shape, elementCount: values.length, byteLength: 4 * values.length },
    read: (offset, into) => into.set(new Uint8Array(values.buffer, offset, into.length)),
  });
  const tensors = [tensor('w1', [WIDTH, WIDTH], first), tensor('w2', [OUTPUTS, WIDTH], second)];
  const transposed = new Map([['transB', { kind: 'int', value: 1n }]]);
  const node = (op, inputs, output, attributes) => ({
    name: output,
    op,
    domain: '',
    inputs,
    outputs: [output],
    attributes,
  });
  const value = (name) => ({ name, dtype: 'f32', shape: null });
  const nodes = [
    node('Gemm', ['x', 'w1'], 'h', transposed),
    node('Relu', ['h'], 'r', new Map()),
    node('Gemm', ['r', 'w2'], 'y', transposed),
  ];
  const graph = {
    ...{ name: 'g', inputs: [value('x')], outputs: [value('y')], nodes, values: new Map() },
    tensors: new Map(tensors.map((item) => [item.name, item])),
  };
  return { format: 'onnx', graph, tensors, metadata: new Map() };
}

const [first, second] = [draw(WIDTH * WIDTH), draw(OUTPUTS * WIDTH)];
const order = Array.from({ length: WIDTH }, (_, i) => (i * 1103 + 17) % WIDTH);
const scales = order.map(() => Math.exp(2 * uniform() - 1));
const noise = Number(process.argv[2] ?? 0.3);
const moved = [
  Float32Array.from(first, (_, at) => {
    const row = Math.floor(at / WIDTH);
    return scales[row] * (first[order[row] * WIDTH + (at % WIDTH)] + noise * normal());
  }),
  Float32Array.from(second, (_, at) => {
    const column = at % WIDTH;
    return (second[at - column + order[column]] + noise * normal()) / scales[column];
  }),
];
const original = toModel(first, second);
const before = process.cpuUsage();
const { channelMaps } = alignSuspect({ topology: toTopology(original), original, suspect: toModel(...moved) });
const used = process.cpuUsage(before);
const right = [...channelMaps[0]].filter((channel, i) => order[channel] === i).length;
console.log(JSON.stringify({ cpuSeconds: (used.user + used.system) / 1e6, right }));
