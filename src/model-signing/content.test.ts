import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { codeOf } from '../../test/error-code.ts';
import { toHex } from '../core/bytes.ts';
import { sha256 } from '../core/hash.ts';
import { compareContent } from './compare.ts';
import { hashFiles } from './hash-files.ts';
import type { ModelManifest, Serialization } from './manifest.ts';
import { type ModelFilesOptions, openModelFiles } from './model-files.ts';

const base = realpathSync(mkdtempSync(join(tmpdir(), 'modelward-oms-')));
const original = join(base, 'original');
const model = join(base, 'model');

const FILES: Serialization = { hashType: 'sha256', shardBytes: null, allowSymlinks: false, ignorePaths: [] };
const SHARDS: Serialization = { ...FILES, shardBytes: 65_536 };

beforeAll(() => {
  mkdirSync(join(original, 'sub'), { recursive: true });
  mkdirSync(join(original, '.git'));
  writeFileSync(join(original, '.git', 'HEAD'), 'ref');
  writeFileSync(join(original, 'config.json'), '{}');
  writeFileSync(join(original, 'sub', 'a.bin'), Buffer.alloc(150_000, 1));
  writeFileSync(join(original, 'sub', 'b.bin'), Buffer.alloc(150_000, 2));
});

beforeEach(() => {
  rmSync(model, { recursive: true, force: true });
  cpSync(original, model, { recursive: true });
});

afterAll(() => {
  rmSync(base, { recursive: true });
});

function open(path = model, more: Partial<ModelFilesOptions> = {}) {
  return openModelFiles({ path, isFolder: true, ignorePaths: [], allowSymlinks: false, ...more });
}

function toManifest(serialization: Serialization, path = original): ModelManifest {
  return { modelName: 'm', resources: hashFiles(open(path), serialization), serialization };
}

function compare(serialization: Serialization) {
  return compareContent(toManifest(serialization), hashFiles(open(), serialization));
}

describe('the files of a model', () => {
  test('are hashed whole, by name, without what belongs to git', () => {
    expect(toManifest(FILES).resources).toEqual([
      { name: 'config.json', digest: '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a' },
      { name: 'sub/a.bin', digest: toHex(sha256(Buffer.alloc(150_000, 1))) },
      { name: 'sub/b.bin', digest: toHex(sha256(Buffer.alloc(150_000, 2))) },
    ]);
  });

  test('are hashed in shards that cover each byte once; an empty file has one shard', () => {
    writeFileSync(join(model, 'empty'), '');
    expect(hashFiles(open(), SHARDS).map((one) => one.name)).toEqual([
      'config.json:0:2',
      'empty:0:0',
      'sub/a.bin:0:65536',
      'sub/a.bin:131072:150000',
      'sub/a.bin:65536:131072',
      'sub/b.bin:0:65536',
      'sub/b.bin:131072:150000',
      'sub/b.bin:65536:131072',
    ]);
  });

  test('what is ignored is left out, with all below it, at its own place only', () => {
    mkdirSync(join(model, 'sub', '.git'));
    writeFileSync(join(model, 'sub', '.git', 'x'), 'x');
    expect(open(model, { ignorePaths: ['sub'] }).names).toEqual(['config.json']);
    expect(open(model, { ignorePaths: ['a.bin'] }).names).toContain('sub/a.bin');
    expect(open().names).toContain('sub/.git/x');
  });

  test('a model without files is refused', () => {
    mkdirSync(join(base, 'empty', '.git'), { recursive: true });
    writeFileSync(join(base, 'empty', '.git', 'HEAD'), 'x');
    expect(codeOf(() => open(join(base, 'empty')))).toBe('OMS_MODEL_EMPTY');
    expect(codeOf(() => open(model, { ignorePaths: ['config.json', 'sub'] }))).toBe('OMS_MODEL_EMPTY');
  });

  test('a link is refused, inside and as the model; allowed, what is behind it is hashed', () => {
    const link = join(base, 'link.bin');
    symlinkSync(join(model, 'config.json'), link);
    expect(codeOf(() => open(link, { isFolder: false }))).toBe('OMS_LINK_REFUSED');
    expect(open(link, { isFolder: false, allowSymlinks: true }).names).toEqual(['.']);
    symlinkSync(model, join(base, 'link'));
    expect(codeOf(() => open(join(base, 'link')))).toBe('OMS_LINK_REFUSED');
    rmSync(join(model, 'config.json'));
    writeFileSync(join(base, 'blob'), '{}');
    symlinkSync('../blob', join(model, 'config.json'));
    expect(codeOf(() => open())).toBe('OMS_LINK_REFUSED');
    const followed = open(model, { allowSymlinks: true });
    expect(followed.outside).toEqual(['config.json']);
    expect(hashFiles(followed, FILES)).toEqual(toManifest(FILES).resources);
    symlinkSync('nowhere', join(model, 'dangling'));
    expect(codeOf(() => open(model, { allowSymlinks: true }))).toBe('OMS_LINK_REFUSED');
  });

  test.runIf(process.platform !== 'win32')('a socket and a name with a backslash are refused', async () => {
    writeFileSync(join(model, 'a\\b'), 'x');
    expect(codeOf(() => open())).toBe('OMS_FILE_REFUSED');
    expect(open(model, { ignorePaths: ['a\\b'] }).names).toHaveLength(3);
    const server = createServer().listen(join(model, 'socket'));
    await new Promise((resolve) => server.once('listening', resolve));
    expect(codeOf(() => open(model, { ignorePaths: ['a\\b'] }))).toBe('OMS_FILE_REFUSED');
    server.close();
  });

  test('a file that is written to while it is hashed is not signed', () => {
    const files = open();
    const slow: typeof files = {
      ...files,
      open: (name) => {
        const source = files.open(name);
        if (name === 'sub/a.bin') appendFileSync(join(model, 'sub', 'a.bin'), 'more');
        return source;
      },
    };
    expect(codeOf(() => hashFiles(slow, FILES))).toBe('SOURCE_CHANGED');
  });

  test('more shards than a manifest may have are refused before they are hashed', () => {
    truncateSync(join(model, 'sub', 'b.bin'), 300_000);
    expect(codeOf(() => hashFiles(open(), { ...SHARDS, shardBytes: 1 }))).toBe('OMS_MODEL_TOO_LARGE');
  });
});

describe.each([
  ['whole files', FILES, null],
  ['shards', SHARDS, [[65_536, 131_072]]],
] as const)('compared by %s', (_, how, ranges) => {
  test('the same is unchanged', () => {
    expect(compare(how)).toEqual({ verdict: 'unchanged', changes: [], changesTotal: 0, files: 3 });
  });

  test('one changed byte names the file, and the shard', () => {
    const bytes = Buffer.alloc(150_000, 1);
    bytes[70_000] = 9;
    writeFileSync(join(model, 'sub', 'a.bin'), bytes);
    expect(compare(how).changes).toEqual([{ kind: 'changed', file: 'sub/a.bin', ranges }]);
  });

  test('added, removed, renamed and swapped files are called so', () => {
    writeFileSync(join(model, 'new.bin'), 'new');
    rmSync(join(model, 'config.json'));
    expect(compare(how).changes).toEqual([
      { kind: 'removed', file: 'config.json' },
      { kind: 'added', file: 'new.bin' },
    ]);
  });

  test('a renamed file', () => {
    renameSync(join(model, 'config.json'), join(model, 'sub', 'config.json'));
    expect(compare(how).changes).toEqual([{ kind: 'renamed', file: 'config.json', to: 'sub/config.json' }]);
  });

  test('two swapped files', () => {
    renameSync(join(model, 'sub', 'a.bin'), join(model, 'c'));
    renameSync(join(model, 'sub', 'b.bin'), join(model, 'sub', 'a.bin'));
    renameSync(join(model, 'c'), join(model, 'sub', 'b.bin'));
    expect(compare(how).changes).toEqual([{ kind: 'swapped', file: 'sub/a.bin', with: 'sub/b.bin' }]);
  });

  test('an empty file that was not signed is added', () => {
    writeFileSync(join(model, '__init__.py'), '');
    expect(compare(how).changes).toEqual([{ kind: 'added', file: '__init__.py' }]);
  });

  test('a file that was cut or lengthened', () => {
    appendFileSync(join(model, 'sub', 'b.bin'), 'x');
    expect(compare(how)).toMatchObject({ verdict: 'changed', changes: [{ kind: 'changed', file: 'sub/b.bin' }] });
  });
});
