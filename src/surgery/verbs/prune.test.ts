import fc from 'fast-check';
import { expect, test } from 'vitest';
import { build, f32, node } from '../../../test/surgery/build.ts';
import { editGraph } from '../index.ts';

test('a pruned tensor reads the same in whatever pieces, whatever the axis', () => {
  const shape = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 });
  const cuts = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(shape, fc.nat(2), cuts, (dims, wanted, pieces) => {
      const count = dims.reduce((product, dim) => product * dim, 1);
      const axis = wanted % dims.length;
      const values = Array.from({ length: count }, (_, i) => Math.fround(Math.sin(i + 1)));
      const model = build({
        inputs: [{ name: 'x', dtype: 'f32', shape: dims }],
        outputs: [{ name: 'y', dtype: 'f32', shape: dims }],
        initializers: { w: f32(dims, ...values) },
        nodes: [node('Mul', ['x', 'w'], ['y'])],
      });
      editGraph(model, (tx) => {
        tx.pruneTensor('w', axis);
        const tensor = tx.tensor('w')!;
        const whole = new Uint8Array(tensor.byteLength);
        tensor.read(0, whole);
        const pieced = new Uint8Array(tensor.byteLength);
        for (let at = 0, turn = 0; at < pieced.length; turn++) {
          const end = Math.min(at + pieces[turn % pieces.length], pieced.length);
          tensor.read(at, pieced.subarray(at, end));
          at = end;
        }
        expect(pieced).toEqual(whole);
        const zeros = new Float32Array(whole.buffer).filter((value) => value === 0).length;
        expect(zeros).toBe((count / dims[axis]) * 2 * Math.floor(dims[axis] / 4));
      });
    }),
  );
});
