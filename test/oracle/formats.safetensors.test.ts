import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { toSafetensors } from '../../src/formats/convert.ts';
import { SAFETENSORS_DTYPES } from '../../src/formats/safetensors/dtypes.ts';
import type { Model } from '../../src/model/types.ts';
import { findCode, openBytes, runPlan } from '../formats/models.ts';
import { mutateSafetensors, toFile } from '../formats/mutate-safetensors.ts';
import { toRng } from '../formats/random.ts';
import { describeWithProgram, describeWithShared, sharedData } from '../shared-data.ts';

const PYTHON = join(import.meta.dirname, '../oracles/.venv/bin/python');
const SCRIPT = join(import.meta.dirname, 'safetensors_tensors.py');

type Row = [name: string, dtype: string, shape: readonly number[], sha256: string];

const base = mkdtempSync(join(tmpdir(), 'modelward-oracle-st-'));
afterAll(() => {
  rmSync(base, { recursive: true });
});

function ask(files: ReadonlyMap<string, Uint8Array>): Map<string, Row[] | null> {
  const folder = mkdtempSync(join(base, 'files-'));
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  const text = execFileSync(PYTHON, [SCRIPT, folder], { maxBuffer: 2 ** 28 }).toString();
  return new Map(Object.entries(JSON.parse(text) as Record<string, Row[] | null>));
}

const names = new Map([...SAFETENSORS_DTYPES].map(([name, dtype]) => [dtype, name]));

function toRows(model: Model): Row[] {
  const rows = model.tensors.map(({ name, dtype, shape, byteLength }, i): Row => {
    const bytes = new Uint8Array(byteLength);
    model.tensors[i].read(0, bytes);
    return [name, names.get(dtype)!, shape, createHash('sha256').update(bytes).digest('hex')];
  });
  return rows.sort((a, b) => (a[0] < b[0] ? -1 : 1));
}

/** Where the last of two entries counts there, the first may be anything. */
function holdsKeyTwice(bytes: Uint8Array): boolean {
  const keys = [
    ...Buffer.from(bytes)
      .toString('latin1')
      .matchAll(/"([^"]*)":[^"]/g),
  ].map(([, key]) => key.replace('\\u0061', 'a'));
  const outer = keys.filter((key) => !['dtype', 'shape', 'data_offsets'].includes(key));
  return new Set(outer).size < outer.length || /"dtype":"[^"]*","dtype"/.test(Buffer.from(bytes).toString('latin1'));
}

describeWithProgram('safetensors against the reference implementation', PYTHON, ['-c', 'import safetensors'], () => {
  test('every element type has the same name and size', () => {
    const files = new Map<string, Uint8Array>();
    for (const [name] of SAFETENSORS_DTYPES) {
      for (const bytes of [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64]) {
        const json = `{"t":{"dtype":"${name}","shape":[8],"data_offsets":[0,${bytes}]}}`;
        files.set(`${name}-${bytes}`, toFile(Buffer.from(json), new Uint8Array(bytes)));
      }
    }
    for (const [name, rows] of ask(files)) {
      const code = findCode(() => openBytes(files.get(name)!, 'm.safetensors'));
      expect([name, code === undefined]).toEqual([name, rows !== null]);
    }
  });

  test('of 3,000 mutants, none is accepted here and refused there; what only we refuse has a stated reason', () => {
    const files = new Map<string, Uint8Array>();
    for (let i = 0; i < 3000; i++) files.set(String(i), mutateSafetensors(toRng(7_000_000 + i)).bytes);
    const stricter = new Map<string, number>();
    let accepted = 0;
    for (const [name, rows] of ask(files)) {
      const bytes = files.get(name)!;
      const code = findCode(() => openBytes(bytes, 'm.safetensors'));
      if (code === undefined) {
        accepted++;
        expect(toRows(openBytes(bytes, 'm.safetensors')), name).toEqual(rows);
      } else if (rows !== null && !holdsKeyTwice(bytes)) stricter.set(code, (stricter.get(code) ?? 0) + 1);
    }
    expect(accepted).toBeGreaterThan(50);
    // Leading space, lone surrogates, unknown members, metadata of null: legal there, ambiguous or useless.
    const reasons = ['SAFETENSORS_HEADER_JSON', 'SAFETENSORS_HEADER_SCHEMA', 'SAFETENSORS_METADATA'];
    expect([...stricter.keys()].filter((code) => !reasons.includes(code))).toEqual([]);
  });
});

describeWithShared('converted and real safetensors files', () => {
  describeWithProgram('against the reference implementation', PYTHON, ['-c', 'import safetensors'], () => {
    test('are read there as they are read here', () => {
      const real = new Uint8Array(readFileSync(sharedData('models', 'silero_vad_16k.safetensors')));
      const files = new Map<string, Uint8Array>([['real', real]]);
      const onnx = openBytes(new Uint8Array(readFileSync(sharedData('models', 'ultraface_rfb320.onnx'))), 'm.onnx');
      files.set('converted', runPlan(toSafetensors(onnx, 'm.safetensors').plan));
      const model = openBytes(real, 'm.safetensors');
      const set = { kind: 'metadata', key: 'näme', value: 'line\n"quoted" ☃' } as const;
      files.set('edited', runPlan(model.plan([set])));
      const theirs = ask(files);
      for (const [name, bytes] of files)
        expect(toRows(openBytes(bytes, 'm.safetensors')), name).toEqual(theirs.get(name));
      expect(toRows(openBytes(files.get('edited')!, 'm.safetensors'))).toEqual(toRows(model));
    });
  });
});
