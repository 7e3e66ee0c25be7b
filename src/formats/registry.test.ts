import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findCode, openBytes } from '../../test/formats/models.ts';
import { toFile } from '../../test/formats/mutate-safetensors.ts';
import * as P from '../../test/formats/proto.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Progress } from '../core/ports.ts';
import { nodeStorage } from '../source/node-storage.ts';
import { stageFolder } from '../source/staging.ts';
import { openModelPath } from './registry.ts';
import { writeModel } from './write.ts';

const base = realpathSync(mkdtempSync(join(tmpdir(), 'modelward-formats-')));
const folder = join(base, 'model');

/** An ONNX file with one external tensor of four bytes. */
const onnx = (location: string, more: Record<string, string> = {}): Uint8Array =>
  P.model(P.initializer(P.tensor('w', P.CODE.u8, [4], P.external({ location, ...more }))));

function findPathCode(name: string, dataRoot?: string): ErrorCode | undefined {
  return findCode(() => {
    openModelPath(join(folder, name), { dataRoot }).close();
  });
}

function put(name: string, bytes: Uint8Array): string {
  writeFileSync(join(folder, name), bytes);
  return name;
}

beforeAll(() => {
  mkdirSync(join(folder, 'sub'), { recursive: true });
  mkdirSync(join(base, 'cache'));
  writeFileSync(join(base, 'secret.bin'), 'secret bytes');
  writeFileSync(join(folder, 'w.bin'), 'weights!');
  writeFileSync(join(base, 'cache', 'blob'), 'blobblob');
  symlinkSync('../secret.bin', join(folder, 'link.bin'));
  symlinkSync('..', join(folder, 'up'));
  symlinkSync('../cache/blob', join(folder, 'blob.bin'));
});

afterAll(() => {
  rmSync(base, { recursive: true });
});

describe('published attacks on external data', () => {
  test.each<[string, ErrorCode, Uint8Array]>([
    ['"../" (CVE-2022-25882)', 'SOURCE_OUTSIDE_FOLDER', onnx('../secret.bin')],
    ['nested "a/../../" (CVE-2024-27318)', 'SOURCE_OUTSIDE_FOLDER', onnx('sub/../../secret.bin')],
    ['an absolute path', 'SOURCE_OUTSIDE_FOLDER', onnx('/etc/passwd')],
    ['a backslash', 'SOURCE_OUTSIDE_FOLDER', onnx('..\\secret.bin')],
    ['a drive letter', 'SOURCE_OUTSIDE_FOLDER', onnx('C:/secret.bin')],
    ['NUL in the name', 'SOURCE_OUTSIDE_FOLDER', onnx('w.bin\0.txt')],
    ['out of bounds (CVE-2024-27319)', 'ONNX_EXTERNAL_BOUNDS', onnx('w.bin', { offset: '5' })],
    ['a link out of the folder (CVE-2026-27489)', 'SOURCE_LINK_REFUSED', onnx('link.bin')],
    ['a link to a folder (CVE-2026-34446)', 'SOURCE_LINK_REFUSED', onnx('up/secret.bin')],
    ['a giant length (CVE-2026-34445)', 'ONNX_TENSOR_SIZE', onnx('w.bin', { length: '9007199254740991' })],
    ['a folder as data', 'SOURCE_NOT_A_FILE', onnx('sub')],
    ['an address in memory', 'FORMAT_DATA_MISSING', onnx('*/_ORT_MEM_ADDR_/*', { offset: '140000000000000' })],
  ])('%s: %s', (_, code, bytes) => {
    expect(findPathCode(put('attack.onnx', bytes))).toBe(code);
  });

  test('keys of other names set nothing (CVE-2026-34445)', () => {
    // JSON.parse makes "__proto__" a key of its own; a literal would set the prototype.
    const keys = JSON.parse('{"__proto__":"x","byteLength":"9","read":"x"}') as Record<string, string>;
    const model = openModelPath(join(folder, put('keys.onnx', onnx('w.bin', keys))));
    expect(model.tensors[0].byteLength).toBe(4);
    expect(typeof model.tensors[0].read).toBe('function');
    model.close();
  });

  test('a hard link is read like any file: nothing tells it from one', () => {
    linkSync(join(base, 'cache', 'blob'), join(folder, 'hard.bin'));
    expect(findPathCode(put('hard.onnx', onnx('hard.bin')))).toBeUndefined();
  });
});

describe('links and --data-root', () => {
  test('a cache of links opens under its root, and only there', () => {
    put('blob.onnx', onnx('blob.bin'));
    expect(findPathCode('blob.onnx')).toBe('SOURCE_LINK_REFUSED');
    expect(findPathCode('blob.onnx', join(base, 'cache'))).toBeUndefined();
    expect(findPathCode('blob.onnx', folder)).toBe('SOURCE_OUTSIDE_FOLDER');
    put('link.onnx', onnx('link.bin'));
    expect(findPathCode('link.onnx', join(base, 'cache'))).toBe('SOURCE_OUTSIDE_FOLDER');
  });

  test('the main file and shards obey the same rule', () => {
    const shard = toFile(Buffer.from('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'), new Uint8Array(1));
    writeFileSync(join(base, 'cache', 'shard'), shard);
    symlinkSync('../cache/shard', join(folder, 'm.safetensors'));
    put('m.safetensors.index.json', Buffer.from('{"weight_map":{"a":"m.safetensors"}}'));
    for (const name of ['m.safetensors', 'm.safetensors.index.json']) {
      expect(findPathCode(name)).toBe('SOURCE_LINK_REFUSED');
      expect(findPathCode(name, base)).toBeUndefined();
    }
  });
});

describe('choosing a format', () => {
  test('by name, else by content, else not at all', () => {
    const model = P.model(P.initializer(P.tensor('w', P.CODE.u8, [1], P.raw(1))));
    expect(openBytes(model, 'model.bin').format).toBe('onnx');
    expect(openBytes(toFile(Buffer.from('{}'), new Uint8Array(0)), 'weights').format).toBe('safetensors');
    expect(findCode(() => openBytes(Buffer.from('{"json": true}'), 'config.json'))).toBe('FORMAT_UNKNOWN');
    expect(findCode(() => openBytes(new Uint8Array(0), 'empty'))).toBe('FORMAT_UNKNOWN');
    expect(findCode(() => openBytes(Buffer.from('PK\x03\x04'), 'm.onnx'))).toBe('ONNX_WIRE');
  });

  test('a model of more files than are opened is refused before they are', () => {
    const map = Array.from({ length: 4097 }, (_, i) => `"t${i}":"s${i}"`).join(',');
    expect(findPathCode(put('many.safetensors.index.json', Buffer.from(`{"weight_map":{${map}}}`)))).toBe(
      'FORMAT_FILE_COUNT',
    );
  });
});

describe('writeModel', () => {
  test('writes every file of the model into the staged folder, and reports bytes', () => {
    const model = openModelPath(join(folder, put('out.onnx', onnx('w.bin', { offset: '2' }))));
    const target = join(base, 'out');
    const staged = stageFolder({ storage: nodeStorage, target });
    const seen = { total: 0, bytes: 0, done: 0 };
    const progress: Progress = {
      step: (_, total) => void (seen.total = total ?? 0),
      advance: (amount) => void (seen.bytes += amount),
      done: () => {
        seen.done++;
      },
    };
    const fill = (_: number, chunk: Uint8Array): void => void chunk.fill(0x2d);
    writeModel(model.plan([{ kind: 'tensor', tensor: 'w', apply: fill }]), staged, progress);
    staged.commit();
    model.close();
    expect(readdirSync(target)).toEqual(['out.onnx', 'w.bin']);
    expect(readFileSync(join(target, 'w.bin'), 'latin1')).toBe('we----s!');
    expect(seen).toEqual({ total: seen.bytes, bytes: seen.bytes, done: 1 });
  });

  test('a data file that another name reaches is never written through (CVE-2025-51480)', () => {
    const target = join(base, 'out2');
    const staged = stageFolder({ storage: nodeStorage, target });
    const plan = { files: [{ name: '../escaped.bin', ops: [] }] };
    expect(
      findCode(() => {
        writeModel(plan, staged);
      }),
    ).toBe('WRITE_OUTSIDE_FOLDER');
    staged.abort();
    expect(readdirSync(base)).not.toContain('escaped.bin');
  });
});
