import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { changeJson } from '../../test/changed-json.ts';
import { codeOf } from '../../test/error-code.ts';
import { utf8 } from '../core/bytes.ts';
import { type ModelManifest, type Resource, toSorted, toSubjectDigest } from './manifest.ts';
import { compareByParts, compareCodePoints, findShard, isIgnored } from './names.ts';
import { decodeSignatureStatement, encodeSignatureStatement } from './statement.ts';

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
const toResource = (name: string): Resource => ({ name, digest: digestOf(name) });

function toManifest(names: readonly string[], more: Partial<ModelManifest['serialization']> = {}): ModelManifest {
  const serialization = {
    hashType: 'sha256',
    shardBytes: null,
    allowSymlinks: false,
    ignorePaths: [],
    ...more,
  } as const;
  return { modelName: 'm', resources: names.map(toResource), serialization };
}

const roundTrip = (manifest: ModelManifest): ModelManifest =>
  decodeSignatureStatement(encodeSignatureStatement(manifest));
const codeFor = (manifest: ModelManifest): string => codeOf(() => roundTrip(manifest));

/** What becomes of the statement with a member changed. */
function codeOfEdited(path: string, value: unknown): string {
  const statement = encodeSignatureStatement(toManifest(['a', 'b']));
  return codeOf(() => decodeSignatureStatement(changeJson(statement, path, value)));
}

describe('a model statement', () => {
  test('comes back as it was written', () => {
    const files = toManifest(['a', 'b/c'], { allowSymlinks: true, ignorePaths: ['model.sig', 'cache'] });
    expect(roundTrip(files)).toEqual(files);
    const shards = toManifest(['a:0:10', 'a:10:15', 'b:0:0'], { shardBytes: 10 });
    expect(roundTrip(shards)).toEqual(shards);
  });

  test('the subject is the SHA-256 over the raw digests in order (test vector of OMS v1.0)', () => {
    const resources = [
      { name: 'signme-1', digest: 'bc9a717db6064a32cbe9eae6fc40651dd6d36ef1757183f590eff2b1765d7ebc' },
      { name: 'signme-2', digest: '32dcb1f8e1ae52d5963e56a6ba06ab58b424c15ed2a6b70d2feca1d089370028' },
    ];
    expect(toSubjectDigest(resources)).toBe('92745110b1ab4368471cbe31664e10174e954b113a3df333db860317b2c6dec4');
  });

  test('names are sorted by code points, not by UTF-16 units', () => {
    const names = ['\u{1f600}', '\uff5e', 'a/b', 'a.txt', 'B'];
    expect(toSorted(names.map(toResource)).map((one) => one.name)).toEqual([
      'B',
      'a.txt',
      'a/b',
      '\uff5e',
      '\u{1f600}',
    ]);
    expect([...names].sort(compareCodePoints)).not.toEqual([...names].sort());
  });

  test('the order of the reference tool is read as well: folder by folder, shards by offset', () => {
    expect(['a.txt', 'a/b'].sort(compareByParts)).toEqual(['a/b', 'a.txt']);
    expect(codeFor(toManifest(['a/b', 'a.txt']))).toBe('no error');
    const shards = Array.from({ length: 12 }, (_, at) => `w:${at * 10}:${at * 10 + 10}`);
    expect(codeFor(toManifest(shards, { shardBytes: 10 }))).toBe('no error');
    expect(codeFor(toManifest(['b', 'a']))).toBe('OMS_MANIFEST_INCONSISTENT');
  });

  test.each([
    '../a',
    'a/../b',
    '/a',
    'a//b',
    './a',
    'a/',
    '..',
    'a\\b',
    'C:a',
    'a\0',
  ])('the name %j is refused', (name) => {
    expect(codeFor(toManifest([name]))).toBe('OMS_NAME_REFUSED');
    expect(codeFor(toManifest(['a'], { ignorePaths: [name] }))).toBe('OMS_NAME_REFUSED');
    expect(codeFor(toManifest([`${name}:0:5`], { shardBytes: 10 }))).toBe('OMS_NAME_REFUSED');
  });

  test.each(['*', 'a?', '[a]', '.'])('%j cannot be ignored', (path) => {
    expect(codeFor(toManifest(['a'], { ignorePaths: [path] }))).toBe('OMS_NAME_REFUSED');
  });

  test('"." is the only file of a model of one file', () => {
    expect(codeFor(toManifest(['.']))).toBe('no error');
  });

  test.each<[string, readonly string[], number | null]>([
    ['twice the same name', ['a', 'a'], null],
    ['a shard without range', ['a'], 10],
    ['a gap between shards', ['a:0:10', 'a:20:30'], 10],
    ['shards that do not begin at 0', ['a:10:20'], 10],
    ['a short shard before the last', ['a:0:5', 'a:10:20'], 10],
    ['a shard that is too long', ['a:0:11'], 10],
    ['an empty shard after the last', ['a:0:10', 'a:10:10'], 10],
    ['a range backwards', ['a:10:0'], 10],
    ['a range in other digits', ['a:00:10'], 10],
  ])('%s is refused', (_, names, shardBytes) => {
    expect(codeFor(toManifest(names, { shardBytes }))).toBe('OMS_MANIFEST_INCONSISTENT');
  });

  test('a digest of another length, spelling or kind is refused', () => {
    const withDigest = (digest: string) => ({ ...toManifest([]), resources: [{ name: 'a', digest }] });
    expect(codeFor(withDigest('ab'.repeat(31)))).toBe('OMS_MANIFEST_INCONSISTENT');
    expect(codeFor(withDigest('AB'.repeat(32)))).toBe('OMS_MANIFEST_INCONSISTENT');
    expect(codeFor(withDigest('ab'.repeat(64)))).toBe('OMS_MANIFEST_INCONSISTENT');
  });

  test('no resources are refused', () => {
    expect(codeFor(toManifest([]))).toBe('OMS_MODEL_EMPTY');
  });

  const subject = { name: 'm', digest: { sha256: '0'.repeat(64) } };
  const how = 'predicate.serialization';

  test.each<[string, string, unknown, string]>([
    ['another statement type', '_type', 'https://in-toto.io/Statement/v0.1', 'OMS_STATEMENT_MALFORMED'],
    ['another predicate', 'predicateType', 'https://model_signing/Digests/v0.1', 'OMS_PREDICATE_TYPE'],
    ['no predicate', 'predicate', undefined, 'OMS_STATEMENT_MALFORMED'],
    ['two subjects', 'subject', [subject, subject], 'OMS_STATEMENT_MALFORMED'],
    ['an empty subject name', 'subject.0.name', '', 'OMS_STATEMENT_MALFORMED'],
    ['another subject digest', 'subject', [subject], 'OMS_MANIFEST_INCONSISTENT'],
    ['more in the predicate', 'predicate.more', 1, 'OMS_STATEMENT_MALFORMED'],
    ['more in a resource', 'predicate.resources.0.uri', 'x', 'no error'],
    ['no symlink policy', `${how}.allow_symlinks`, undefined, 'OMS_STATEMENT_MALFORMED'],
    ['no ignored paths', `${how}.ignore_paths`, undefined, 'no error'],
    ['a mixed algorithm', 'predicate.resources.0.algorithm', 'blake2b', 'OMS_STATEMENT_MALFORMED'],
    ['BLAKE3', `${how}.hash_type`, 'blake3', 'OMS_SERIALIZATION_UNSUPPORTED'],
    ['another method', `${how}.method`, 'file-shard-10', 'OMS_SERIALIZATION_UNSUPPORTED'],
    ['shards without size', `${how}.method`, 'shards', 'OMS_STATEMENT_MALFORMED'],
    ['files with a shard size', `${how}.shard_size`, 1, 'OMS_STATEMENT_MALFORMED'],
  ])('%s', (_, path, value, code) => {
    expect(codeOfEdited(path, value)).toBe(code);
  });

  test('the name of the hash that model_signing 1.1 writes for shards is read, for that size alone', () => {
    const statement = encodeSignatureStatement(toManifest(['a:0:5'], { shardBytes: 10 }));
    const withName = (name: string) => changeJson(statement, 'predicate.resources.0.algorithm', name);
    expect(codeOf(() => decodeSignatureStatement(withName('sha256-sharded-10')))).toBe('no error');
    expect(codeOf(() => decodeSignatureStatement(withName('sha256-sharded-20')))).toBe('OMS_STATEMENT_MALFORMED');
  });

  test('what is not JSON is refused', () => {
    expect(codeOf(() => decodeSignatureStatement(utf8('no')))).toBe('OMS_STATEMENT_MALFORMED');
  });
});

describe('names', () => {
  test('of shards are read from the end: files may hold colons', () => {
    expect(findShard('a:1:2:0:10')).toEqual({ file: 'a:1:2', start: 0, end: 10 });
    expect(findShard('a:0')).toBeUndefined();
    expect(findShard('a:0:99999999999999999')).toBeUndefined();
  });

  test('are ignored as whole paths', () => {
    expect(isIgnored('cache/x', ['cache'])).toBe(true);
    expect(isIgnored('cache', ['cache'])).toBe(true);
    expect(isIgnored('cached', ['cache'])).toBe(false);
    expect(isIgnored('sub/cache', ['cache'])).toBe(false);
  });
});
