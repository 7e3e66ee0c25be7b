import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { countingSource, fixedClock, makeTestSeal, seededBytes, seededRandom } from '../../test/fakes/seal-kit.ts';
import { fakeProvider } from '../../test/fakes/key-provider.ts';
import { toHex } from '../core/bytes.ts';
import { SourceError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { nodeStorage, openFileSource, writeFileAtomic } from '../source/index.ts';
import { createEnvelope, openSealTo, readSealHeader, rewrapEnvelope, sealSource } from './index.ts';

const work = mkdtempSync(join(tmpdir(), 'modelward-seal-'));
const PER_SEGMENT = 64 * 1024 - 32;

afterAll(() => {
  rmSync(work, { recursive: true });
});

function freshFolder(name: string): string {
  const folder = join(work, name);
  mkdirSync(folder);
  return folder;
}

describe('files', () => {
  test('opening a seal whose last segment is bad leaves no file, whole or partial', () => {
    const folder = freshFolder('open');
    const seal = makeTestSeal({ length: 3 * PER_SEGMENT });
    const bytes = seal.bytes.slice();
    bytes[bytes.length - 1] ^= 1;
    const source = countingSource('x', bytes);
    const open = (): void => {
      writeFileAtomic({
        storage: nodeStorage,
        path: join(folder, 'net.onnx'),
        mode: 0o600,
        write: (sink) => void openSealTo({ source, dek: seal.dek, sinkFor: () => sink }),
      });
    };
    expect(open).toThrow(expect.objectContaining({ code: 'SEAL_AUTH_FAILED' }));
    expect(readdirSync(folder)).toEqual([]);
  });

  test('sealing a source that fails midway leaves no file', () => {
    const folder = freshFolder('seal');
    const source = {
      label: 'net.onnx',
      size: 5_000_000,
      read: (offset: number) => {
        if (offset > 2_000_000) throw new SourceError('SOURCE_CHANGED');
      },
      close: () => undefined,
    };
    const seal = (): void => {
      const common = { dek: seededBytes(1, 32), model: { name: 'net' }, format: 'onnx' };
      writeFileAtomic({
        storage: nodeStorage,
        path: join(folder, 'net.seal'),
        mode: 0o600,
        write: (sink) => void sealSource({ ...common, source, sink, clock: fixedClock(), random: seededRandom(1) }),
      });
    };
    expect(seal).toThrow(expect.objectContaining({ code: 'SOURCE_CHANGED' }));
    expect(readdirSync(folder)).toEqual([]);
  });

  test('rewrapping leaves the sealed file byte-identical and untouched on disk', async () => {
    const path = join(freshFolder('rewrap'), 'net.seal');
    const { bytes, dek } = makeTestSeal({ length: 100_000 });
    writeFileSync(path, bytes);
    const before = { stat: statSync(path, { bigint: true }), digest: toHex(sha256(readFileSync(path))) };
    const provider = fakeProvider();
    const clock = fixedClock();
    const source = openFileSource(path);
    const seal = readSealHeader(source);
    const envelope = await createEnvelope({ seal, dek, clock, wrapper: provider.wrapper });
    await provider.rotate();
    await rewrapEnvelope({ envelope, provider: provider.provider, clock, isOld: () => true });
    source.close();
    const { mtimeNs, ctimeNs, ino } = statSync(path, { bigint: true });
    expect({ mtimeNs, ctimeNs, ino }).toEqual({
      mtimeNs: before.stat.mtimeNs,
      ctimeNs: before.stat.ctimeNs,
      ino: before.stat.ino,
    });
    expect(toHex(sha256(readFileSync(path)))).toBe(before.digest);
  });
});
