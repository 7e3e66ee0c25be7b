import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Model, TensorRef } from '../../src/model/types.ts';
import { openBytes, runPlan } from '../formats/models.ts';
import { CODE } from '../formats/proto.ts';
import { describeWithProgram, describeWithShared, sharedData } from '../shared-data.ts';
import { readTarGz } from '../tar.ts';

const PYTHON = join(import.meta.dirname, '../oracles/.venv/bin/python');
const SCRIPT = join(import.meta.dirname, 'onnx_tensors.py');
const ARCHIVE = sharedData('onnx-backend-v1.21.0.tar.gz');
const REAL = [
  'mnist',
  'qdq_conv',
  'residual_block',
  'silero_vad_half',
  'silero_vad_op18_ifless',
  'superres_prepost_op18',
  'ultraface_rfb320',
];

type Row = [code: number, shape: readonly number[], sha256: string];

function ask(path: string): Record<string, Row[]> {
  return JSON.parse(execFileSync(PYTHON, [SCRIPT, path], { maxBuffer: 2 ** 28 }).toString()) as Record<string, Row[]>;
}

function toRow(tensor: TensorRef): string {
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  const code = CODE[tensor.dtype as keyof typeof CODE];
  return JSON.stringify([code, tensor.shape, createHash('sha256').update(bytes).digest('hex')] satisfies Row);
}

const toRows = (model: Model): string[] => model.tensors.map(toRow).sort();
const toTheirs = (rows: readonly Row[]): string[] => rows.map((row) => JSON.stringify(row)).sort();

const folder = mkdtempSync(join(tmpdir(), 'modelward-oracle-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Every tensor that can be edited, with its bytes turned round, so that varints change their lengths. */
function toEdited(model: Model): Uint8Array {
  const edits = model.tensors
    .filter(({ dtype }) => dtype !== 'string' && dtype !== 'bool')
    .map(({ name, dtype }) => ({
      kind: 'tensor' as const,
      tensor: name,
      apply: (_: number, chunk: Uint8Array) => {
        // Padding bits of sub-byte types stay zero, since the oracle drops them.
        if (!/^(?:[iu][24]|f4e2m1)$/.test(dtype)) for (let i = 0; i < chunk.length; i++) chunk[i] ^= 0x5a;
      },
    }));
  return runPlan(model.plan(edits));
}

describeWithShared('ONNX tensors', () => {
  describeWithProgram('against the onnx package', PYTHON, ['-c', 'import onnx'], () => {
    test('backend suite: every tensor of 1,827 models has the same type, shape and bytes', () => {
      const theirs = ask(ARCHIVE);
      let compared = 0;
      for (const { path, bytes } of readTarGz(ARCHIVE)) {
        if (!path.endsWith('.onnx')) continue;
        const rows = toRows(openBytes(bytes, 'm.onnx'));
        expect(rows, path).toEqual(toTheirs(theirs[path]));
        compared += rows.length;
      }
      expect(Object.keys(theirs)).toHaveLength(1827);
      expect(compared).toBeGreaterThan(1000);
    });

    test('real models, and edited copies of them and of the suite, read there as they read here', () => {
      const ours = new Map<string, string[]>();
      const keep = (name: string, bytes: Uint8Array): void => {
        writeFileSync(join(folder, name), bytes);
        ours.set(name, toRows(openBytes(bytes, 'm.onnx')));
      };
      for (const name of REAL) {
        const bytes = new Uint8Array(readFileSync(sharedData('models', `${name}.onnx`)));
        keep(name, bytes);
        keep(`${name}.edited`, toEdited(openBytes(bytes, 'm.onnx')));
      }
      let edited = 0;
      for (const { path, bytes } of readTarGz(ARCHIVE)) {
        if (!path.endsWith('.onnx')) continue;
        const model = openBytes(bytes, 'm.onnx');
        if (model.tensors.length > 0) keep(`suite-${edited++}`, toEdited(model));
      }
      expect(edited).toBeGreaterThan(100);
      const theirs = ask(folder);
      for (const [name, rows] of ours) expect(rows, name).toEqual(toTheirs(theirs[name]));
    });
  });
});
