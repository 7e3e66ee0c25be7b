/** What every Runtime must do; run over each adapter by its test file. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { DType } from '../../src/model/dtype.ts';
import type { Runtime, RuntimeModel, RuntimeTensor } from '../../src/model/runtime.ts';
import { f32Bytes, type TinyType, tinyExternal, tinyModel, tinyNode, tinyTensor, tinyValue } from '../tiny-onnx.ts';

export interface RuntimeSuite {
  readonly make: () => Promise<Runtime>;
}

const f32 = (shape: number[], values: number[]): RuntimeTensor => ({ dtype: 'f32', shape, data: f32Bytes(values) });
const toFloats = (value: RuntimeTensor | undefined): number[] => [
  ...new Float32Array(Uint8Array.from(value?.data ?? []).buffer),
];

/** y = x · W with W = [[1, 2], [3, 4]], held inside or in weights.bin after 8 bytes of something else. */
function matmulModel(isExternal: boolean): RuntimeModel {
  const weights = f32Bytes([1, 2, 3, 4]);
  const tensor = isExternal
    ? tinyExternal('W', 'f32', [2, 2], { location: 'weights.bin', offset: 8, length: 16 })
    : tinyTensor('W', 'f32', [2, 2], weights);
  const main = tinyModel({
    inputs: [tinyValue('x', 'f32', ['n', 2])],
    outputs: [tinyValue('y', 'f32', ['n', 2])],
    nodes: [tinyNode('MatMul', ['x', 'W'], ['y'])],
    tensors: [tensor],
  });
  const data = new Uint8Array(24);
  data.set(weights, 8);
  return { main, external: isExternal ? [{ path: 'weights.bin', data }] : [] };
}

function identityModel(type: TinyType, shape: (number | string | null)[]): RuntimeModel {
  const main = tinyModel({
    inputs: [tinyValue('x', type, shape)],
    outputs: [tinyValue('y', type, shape)],
    nodes: [tinyNode('Identity', ['x'], ['y'])],
  });
  return { main, external: [] };
}

/** Every byte pattern that the type allows, so that a wrong view or a swapped order shows. */
const PATTERNS: Readonly<Partial<Record<DType, readonly number[]>>> = {
  f64: [0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 1, 2, 3, 4, 5, 6, 7, 8],
  f32: [0, 0, 0x80, 0x3f, 1, 2, 3, 4],
  f16: [0, 0x3c, 1, 2],
  i64: [255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4, 5, 6, 7, 8],
  i32: [255, 255, 255, 255, 1, 2, 3, 4],
  i16: [255, 255, 1, 2],
  i8: [255, 1],
  u64: [255, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4, 5, 6, 7, 8],
  u32: [255, 255, 255, 255, 1, 2, 3, 4],
  u16: [255, 255, 1, 2],
  u8: [255, 1],
  bool: [1, 0],
};

export function runRuntimeSuite(name: string, { make }: RuntimeSuite): void {
  describe(name, () => {
    let runtime: Runtime;
    beforeAll(async () => {
      runtime = await make();
    });

    test('names itself and its version', () => {
      expect(name).toContain(runtime.id);
      expect(runtime.version).toMatch(/^\d+\.\d+\.\d+/);
    });

    test.each(Object.entries(PATTERNS))('%s values go in and come out byte for byte', async (dtype, bytes) => {
      const session = await runtime.load(identityModel(dtype as TinyType, [2]));
      expect(session.inputs).toEqual([{ name: 'x', dtype, shape: [2] }]);
      const data = Uint8Array.from(bytes);
      const result = await session.run(new Map([['x', { dtype: dtype as DType, shape: [2], data }]]));
      expect(result.get('y')).toEqual({ dtype, shape: [2], data });
      await session.release();
    });

    test('scalars, symbolic and unknown dimensions are reported as such', async () => {
      const scalar = await runtime.load(identityModel('f32', []));
      expect(scalar.inputs).toEqual([{ name: 'x', dtype: 'f32', shape: [] }]);
      const out = await scalar.run(new Map([['x', f32([], [7])]]));
      expect(toFloats(out.get('y'))).toEqual([7]);
      await scalar.release();
      const open = await runtime.load(identityModel('f32', ['n', null, 3]));
      expect(open.outputs).toEqual([{ name: 'y', dtype: 'f32', shape: ['n', null, 3] }]);
      await open.release();
    });

    test('an empty batch runs', async () => {
      const session = await runtime.load(matmulModel(false));
      const out = await session.run(new Map([['x', f32([0, 2], [])]]));
      expect(out.get('y')).toEqual({ dtype: 'f32', shape: [0, 2], data: new Uint8Array() });
      await session.release();
    });

    test.each([
      false,
      true,
    ])('what it needs is copied: buffers zeroed after load change nothing (external: %s)', async (isExternal) => {
      const model = matmulModel(isExternal);
      const session = await runtime.load(model);
      model.main.fill(0);
      for (const file of model.external) file.data.fill(0);
      const input = f32([2, 2], [1, 0, 10, 100]);
      const out = await session.run(new Map([['x', input]]));
      expect(toFloats(out.get('y'))).toEqual([1, 2, 310, 420]);
      expect(input).toEqual(f32([2, 2], [1, 0, 10, 100]));
      await session.release();
    });

    test('models loaded at the same time with equal external names keep their own weights', async () => {
      const first = matmulModel(true);
      const second = matmulModel(true);
      second.external[0].data.set(f32Bytes([5, 6, 7, 8]), 8);
      const sessions = await Promise.all([runtime.load(first), runtime.load(second)]);
      const outs = await Promise.all(sessions.map((session) => session.run(new Map([['x', f32([1, 2], [1, 0])]]))));
      expect(outs.map((out) => toFloats(out.get('y')))).toEqual([
        [1, 2],
        [5, 6],
      ]);
      await Promise.all(sessions.map((session) => session.release()));
    });

    test('loads, runs and releases that overlap do not disturb each other', async () => {
      const use = async (value: number): Promise<number[]> => {
        const session = await runtime.load(matmulModel(value % 2 === 0));
        const outs = await Promise.all([value, -value].map((x) => session.run(new Map([['x', f32([1, 2], [x, 0])]]))));
        const broken = await runtime.load({ main: new Uint8Array(9), external: [] }).catch(() => 'refused');
        expect(broken).toBe('refused');
        await session.release();
        return outs.flatMap((out) => toFloats(out.get('y')));
      };
      const values = Array.from({ length: 40 }, (_, index) => index + 1);
      const results = await Promise.all(values.map(use));
      expect(results).toEqual(values.map((x) => [x, 2 * x, -x, -2 * x]));
    });

    test('a model in a slice of a larger buffer loads', async () => {
      const { main } = matmulModel(false);
      const larger = new Uint8Array(main.length + 7);
      larger.set(main, 3);
      const session = await runtime.load({ main: larger.subarray(3, 3 + main.length), external: [] });
      const out = await session.run(new Map([['x', f32([1, 2], [1, 1])]]));
      expect(toFloats(out.get('y'))).toEqual([4, 6]);
      await session.release();
    });

    test('RUNTIME_LOAD_FAILED: not a model, an unknown operator, missing external data; the reason is short', async () => {
      const unknown = tinyModel({
        inputs: [tinyValue('x', 'f32', [1])],
        outputs: [tinyValue('y', 'f32', [1])],
        nodes: [tinyNode(`Weights${'A'.repeat(5000)}`, ['x'], ['y'], { domain: 'no.such.domain' })],
      });
      const bad = [new Uint8Array(100).fill(255), unknown, matmulModel(true).main];
      for (const main of bad) {
        const error: unknown = await runtime.load({ main, external: [] }).catch((caught: unknown) => caught);
        expect(error).toMatchObject({ code: 'RUNTIME_LOAD_FAILED' });
        expect((error as { fields: { reason: string } }).fields.reason.length).toBeLessThanOrEqual(200);
        expect((error as Error).cause).toBeUndefined();
      }
    });

    test('RUNTIME_DTYPE_UNSUPPORTED: bf16 at the border of the model, or fed', async () => {
      await expect(runtime.load(identityModel('bf16', [2]))).rejects.toMatchObject({
        code: 'RUNTIME_DTYPE_UNSUPPORTED',
      });
      const session = await runtime.load(matmulModel(false));
      const feeds = new Map<string, RuntimeTensor>([['x', { dtype: 'bf16', shape: [1, 2], data: new Uint8Array(4) }]]);
      await expect(session.run(feeds)).rejects.toMatchObject({ code: 'RUNTIME_DTYPE_UNSUPPORTED' });
      await session.release();
    });

    test('RUNTIME_RUN_FAILED: a missing input, a wrong type, a wrong shape, too few bytes; the session survives', async () => {
      const session = await runtime.load(matmulModel(false));
      const feeds: ReadonlyMap<string, RuntimeTensor>[] = [
        new Map(),
        new Map([['x', { dtype: 'i32', shape: [1, 2], data: new Uint8Array(8) }]]),
        new Map([['x', f32([1, 3], [1, 2, 3])]]),
        new Map([['x', { dtype: 'f32', shape: [1, 2], data: new Uint8Array(7) }]]),
      ];
      for (const feed of feeds) await expect(session.run(feed)).rejects.toMatchObject({ code: 'RUNTIME_RUN_FAILED' });
      const out = await session.run(new Map([['x', f32([1, 2], [1, 0])]]));
      expect(toFloats(out.get('y'))).toEqual([1, 2]);
      await session.release();
    });
  });
}
