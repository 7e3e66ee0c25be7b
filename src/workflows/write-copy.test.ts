import { createHash } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { codeOf } from '../../test/error-code.ts';
import * as P from '../../test/formats/proto.ts';
import { silentProgress } from '../core/ports.ts';
import { openModelPath } from '../formats/index.ts';
import type { Model, ModelEdit } from '../model/types.ts';
import { nodeStorage } from '../source/node-storage.ts';
import { writeCopy, type WrittenCopy } from './write-copy.ts';

const services = { storage: nodeStorage, progress: silentProgress };
const main = P.model(P.initializer(P.tensor('w', P.CODE.u8, [4], P.external({ location: 'data/w.bin', offset: '2' }))));
const flip: ModelEdit = {
  kind: 'tensor',
  tensor: 'w',
  apply: (_, chunk) => {
    for (let i = 0; i < chunk.length; i++) chunk[i] ^= 0xff;
  },
};
const note: ModelEdit = { kind: 'metadata', key: 'note', value: 'edited' };

let folder = '';
let model: Model | undefined;
const at = (...names: string[]): string => join(folder, ...names);

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'modelward-copy-')));
  mkdirSync(at('data'));
  writeFileSync(at('m.onnx'), main);
  writeFileSync(at('data', 'w.bin'), Uint8Array.of(9, 9, 1, 2, 3, 4, 9));
});
afterEach(() => {
  model?.close();
  model = undefined;
  rmSync(folder, { recursive: true });
});

function write(edits: readonly ModelEdit[], out: string, force: boolean, dataRoot?: string): WrittenCopy {
  model = openModelPath(at('m.onnx'), { dataRoot });
  return writeCopy(services, { out, force }, model.plan(edits));
}

describe('a model of two files, written over itself', () => {
  test('gets the one file that an edit changes: its weights', () => {
    chmodSync(at('data', 'w.bin'), 0o600);
    const before = statSync(at('m.onnx'), { bigint: true });
    const written = write([flip], at('m.onnx'), true);
    expect(written).toEqual({ path: at('data', 'w.bin'), sha256: null });
    expect([...readFileSync(at('data', 'w.bin'))]).toEqual([9, 9, 254, 253, 252, 251, 9]);
    expect(statSync(at('data', 'w.bin')).mode & 0o777).toBe(0o600);
    expect(statSync(at('m.onnx'), { bigint: true })).toMatchObject({ ino: before.ino, mtimeNs: before.mtimeNs });
    expect(readdirSync(at('data'))).toEqual(['w.bin']);
  });

  test('gets the one file that an edit changes: its graph, however large the weights', () => {
    const before = statSync(at('data', 'w.bin'), { bigint: true });
    const written = write([note], at('m.onnx'), true);
    expect(written).toEqual({ path: at('m.onnx'), sha256: null });
    model?.close();
    model = openModelPath(at('m.onnx'));
    expect(model.metadata.get('note')).toBe('edited');
    expect(statSync(at('data', 'w.bin'), { bigint: true }).ino).toBe(before.ino);
    expect(readdirSync(folder)).toEqual(['data', 'm.onnx']);
  });

  test('is refused, and left as it is, when two files would change', () => {
    const weights = readFileSync(at('data', 'w.bin'));
    expect(codeOf(() => write([flip, note], at('m.onnx'), true))).toBe('WRITE_SEVERAL_FILES');
    expect(Buffer.compare(readFileSync(at('m.onnx')), main)).toBe(0);
    expect(readFileSync(at('data', 'w.bin'))).toEqual(weights);
    expect(readdirSync(folder)).toEqual(['data', 'm.onnx']);
  });

  test('is refused without --force, and stays the same when nothing changes', () => {
    expect(codeOf(() => write([note], at('m.onnx'), false))).toBe('WRITE_EXISTS');
    expect(write([], at('m.onnx'), true)).toEqual({ path: at('m.onnx'), sha256: null });
    expect(Buffer.compare(readFileSync(at('m.onnx')), main)).toBe(0);
  });

  test('is refused when its weights were replaced since they were opened', () => {
    model = openModelPath(at('m.onnx'));
    const plan = model.plan([flip]);
    rmSync(at('data', 'w.bin'));
    writeFileSync(at('data', 'w.bin'), 'theirs!');
    expect(codeOf(() => writeCopy(services, { out: at('m.onnx'), force: true }, plan))).toBe('SOURCE_CHANGED');
    expect(readFileSync(at('data', 'w.bin'), 'utf8')).toBe('theirs!');
  });

  test('elsewhere is a folder of both', () => {
    const written = write([flip, note], at('copy'), false);
    expect(written).toEqual({ path: at('copy', 'm.onnx'), sha256: null });
    expect([...readFileSync(at('copy', 'data', 'w.bin'))]).toEqual([9, 9, 254, 253, 252, 251, 9]);
  });
});

test('a copy of a model of one file is told with its digest', () => {
  writeFileSync(at('s.onnx'), P.model(P.initializer(P.tensor('w', P.CODE.u8, [4], P.raw(1, 2, 3, 4)))));
  model = openModelPath(at('s.onnx'));
  const written = writeCopy(services, { out: at('copy.onnx'), force: false }, model.plan([flip]));
  const sha256 = createHash('sha256')
    .update(readFileSync(at('copy.onnx')))
    .digest('hex');
  expect(written).toEqual({ path: at('copy.onnx'), sha256 });
});

test('weights behind a link: the link becomes a file, and the store that others share stays', () => {
  mkdirSync(at('store'));
  writeFileSync(at('store', 'blob'), readFileSync(at('data', 'w.bin')));
  rmSync(at('data', 'w.bin'));
  symlinkSync('../store/blob', at('data', 'w.bin'));
  write([flip], at('m.onnx'), true, folder);
  expect(lstatSync(at('data', 'w.bin')).isFile()).toBe(true);
  expect(readFileSync(at('data', 'w.bin'))[2]).toBe(254);
  expect(readFileSync(at('store', 'blob'))[2]).toBe(1);
});
