import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { editGraph, validateGraph } from '../../src/surgery/index.ts';
import { openBytes, runPlan } from '../formats/models.ts';
import { describeWithProgram, describeWithShared, sharedData } from '../shared-data.ts';
import { METAMORPHOSES } from '../surgery/metamorphic.ts';
import { readTarGz } from '../tar.ts';

const PYTHON = join(import.meta.dirname, '../oracles/.venv/bin/python');
const SCRIPT = join(import.meta.dirname, 'onnx_check.py');
/** Every so many models are edited; all of them when SLOW=1. */
const STEP = process.env.SLOW === '1' ? 1 : 9;

const folder = mkdtempSync(join(tmpdir(), 'modelward-surgery-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function check(models: readonly Uint8Array[]): (string | null)[] {
  const paths = models.map((bytes, i) => {
    const path = join(folder, `${i}.onnx`);
    writeFileSync(path, bytes);
    return path;
  });
  const out = execFileSync(PYTHON, [SCRIPT], { input: paths.join('\n'), maxBuffer: 2 ** 28 });
  return JSON.parse(out.toString()) as (string | null)[];
}

describeWithProgram('the onnx package', PYTHON, ['-c', 'import onnx'], () => {
  describeWithShared('and the models of its backend suite', () => {
    const models = [...readModels()];

    test('a model that its checker accepts breaks no rule of ours, and is accepted after every metamorphosis', () => {
      const accepted = models.filter((_, i) => i % STEP === 0);
      const before = check(accepted.map(({ bytes }) => bytes));
      const valid = accepted.filter((_, i) => before[i] === null);
      expect(valid.length).toBeGreaterThan(150);
      for (const { path, bytes } of valid) {
        const { problems } = validateGraph(openBytes(bytes, 'model.onnx'));
        expect([path, problems.filter(({ severity }) => severity === 'error')]).toEqual([path, []]);
      }
      for (const [name, act] of Object.entries(METAMORPHOSES)) {
        const edited = valid.map(({ bytes }) => runPlan(editGraph(openBytes(bytes, 'm.onnx'), act).toRewrite()));
        const after = check(edited);
        const refused = valid.flatMap(({ path }, i) => (after[i] === null ? [] : [`${path}: ${after[i]}`]));
        expect([name, refused]).toEqual([name, []]);
      }
    });
  });
});

function* readModels(): Generator<{ readonly path: string; readonly bytes: Uint8Array }> {
  for (const { path, bytes } of readTarGz(sharedData('onnx-backend-v1.21.0.tar.gz'))) {
    if (path.endsWith('.onnx')) yield { path, bytes };
  }
}
