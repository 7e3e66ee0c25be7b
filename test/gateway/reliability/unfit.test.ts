/** A gateway that cannot begin ends: with a code, and without anything that holds the process. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bin, createWorkplace, samples } from '../../e2e/command.ts';
import { tinyModel, tinyNode, tinyValue } from '../../tiny-onnx.ts';

const place = createWorkplace();
beforeAll(() => {
  const axes = Array<number>(9).fill(1);
  const [inputs, outputs] = [[tinyValue('x', 'f32', axes)], [tinyValue('y', 'f32', axes)]];
  const model = tinyModel({ inputs, outputs, nodes: [tinyNode('Relu', ['x'], ['y'])] });
  writeFileSync(join(place.folder, 'unfit.onnx'), model);
  copyFileSync(join(samples, 'mlp.onnx'), join(place.folder, 'good.onnx'));
});
afterAll(() => {
  place.remove();
});

test.each([
  ['a model that cannot be asked', ['--model', 'a=unfit.onnx'], 'GATEWAY_MODEL_UNFIT'],
  ['the same behind a good one', ['--model', 'b=good.onnx', '--model', 'a=unfit.onnx'], 'GATEWAY_MODEL_UNFIT'],
  ['a file that is none, behind a good one', ['--model', 'b=good.onnx', '--model', 'a=absent.onnx'], 'absent.onnx'],
])('%s', (_what, words, told) => {
  const { status, signal, stderr } = spawnSync(
    process.execPath,
    [bin, 'serve', ...words, '--plaintext', '--port', '0'],
    {
      ...{ cwd: place.folder, encoding: 'utf8', timeout: 200_000, killSignal: 'SIGKILL' },
      env: { ...process.env, MODELWARD_HOME: place.home, NO_COLOR: '1', MODELWARD_MEMORY_WARNING: '0' },
    },
  );
  expect(stderr).toContain(told);
  // A thread that nobody ends would hold the process until the signal.
  expect([signal, status === 0]).toEqual([null, false]);
});
