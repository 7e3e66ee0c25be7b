import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { findOnnxDType, readGraphDocument } from '../../src/formats/index.ts';
import { inferDocument } from '../../src/surgery/index.ts';
import { openBytes } from '../formats/models.ts';
import { describeWithProgram, describeWithShared, sharedData } from '../shared-data.ts';
import { AgreementCount, findMainType, type KnownType } from '../surgery/infer.ts';
import { readTarGz } from '../tar.ts';

const PYTHON = join(import.meta.dirname, '../oracles/.venv/bin/python');
const SCRIPT = join(import.meta.dirname, 'onnx_shapes.py');

const folder = mkdtempSync(join(tmpdir(), 'modelward-infer-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

interface PythonType {
  readonly dtype: number;
  readonly shape: KnownType['shape'];
}

/** What onnx.shape_inference says, by value; null for models that it cannot infer. */
function inferInPython(models: readonly Uint8Array[]): (Readonly<Record<string, PythonType>> | null)[] {
  const paths = models.map((bytes, i) => {
    const path = join(folder, `${i}.onnx`);
    writeFileSync(path, bytes);
    return path;
  });
  const out = execFileSync(PYTHON, [SCRIPT], { input: paths.join('\n'), maxBuffer: 2 ** 28 });
  return JSON.parse(out.toString()) as (Readonly<Record<string, PythonType>> | null)[];
}

describeWithProgram('onnx.shape_inference', PYTHON, ['-c', 'import onnx'], () => {
  describeWithShared('and the models of its backend suite, the light and the real ones', () => {
    test('wherever both know a dimension or a type, it is the same', () => {
      const models = [...readModels()];
      const theirs = inferInPython(models.map(({ bytes }) => bytes));
      const count = new AgreementCount();
      const only = { ours: 0, theirs: 0 };
      for (const [i, { path, bytes }] of models.entries()) {
        const document = readGraphDocument(openBytes(bytes, 'model.onnx'));
        const inference = inferDocument(document, { declared: 'inputs' });
        for (const [name, { dtype, shape }] of Object.entries(theirs[i] ?? {})) {
          const type = findMainType(inference, document, name);
          count.add(`${path} ${name}`, type, { dtype: findOnnxDType(dtype) ?? null, shape });
          if (type?.kind !== 'tensor') continue;
          const [a, b] = [countKnown(type.shape), countKnown(shape)];
          if (a > b) only.ours++;
          if (b > a) only.theirs++;
        }
      }
      process.stderr.write(`${count.toString()}; more known here ${only.ours}, there ${only.theirs} values\n`);
      expect(count.differences).toEqual([]);
      expect(count.dims).toBeGreaterThan(20_000);
      expect(only.ours).toBeGreaterThan(only.theirs);
    });
  });
});

const countKnown = (shape: KnownType['shape']): number => shape?.filter((dim) => typeof dim === 'number').length ?? -1;

function* readModels(): Generator<{ readonly path: string; readonly bytes: Uint8Array }> {
  for (const { path, bytes } of readTarGz(sharedData('onnx-backend-v1.21.0.tar.gz'))) {
    if (path.endsWith('.onnx')) yield { path, bytes };
  }
  for (const name of readdirSync(sharedData('models'))) {
    if (name.endsWith('.onnx')) yield { path: name, bytes: new Uint8Array(readFileSync(sharedData('models', name))) };
  }
}
