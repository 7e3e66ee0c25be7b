/** How often big files are read: each stored byte once, whatever is made of it. */
import { describe, expect, test } from 'vitest';
import { safetensors } from '../../test/tamper/helpers.ts';
import { toHex } from '../core/bytes.ts';
import { silentProgress } from '../core/ports.ts';
import { openModel } from '../formats/index.ts';
import type { Model } from '../model/types.ts';
import { createP256Pkcs8, p256Signer } from '../sign/index.ts';
import { openBufferSource } from '../source/index.ts';
import type { ByteSource } from '../source/ports.ts';
import { verifyBaseline, type VerifyReport } from '../tamper/index.ts';
import { toOriginalDigest } from '../watermark/index.ts';
import { describeModel } from './signed-baseline.ts';
import { findOriginalDigest } from './verify.ts';

const signer = p256Signer(createP256Pkcs8());
const tensors = Array.from({ length: 4 }, (_, at) => ({
  name: `layer${at}`,
  dtype: 'F32',
  shape: [256, 256],
  data: Uint8Array.from({ length: 256 * 256 * 4 }, (_byte, i) => (i * 31 + at * 7) & 0x7f),
}));
const plain = safetensors(tensors);
const weightBytes = tensors.length * 256 * 256 * 4;

/** A source that counts the bytes asked of it. */
function counting(bytes: Uint8Array): ByteSource & { readBytes: number } {
  const inner = openBufferSource('m.safetensors', bytes);
  return {
    label: inner.label,
    size: inner.size,
    readBytes: 0,
    read(offset, into) {
      this.readBytes += into.length;
      inner.read(offset, into);
    },
    close: () => undefined,
  };
}

function openCounted(bytes: Uint8Array): { readonly model: Model; readonly source: { readBytes: number } } {
  const source = counting(bytes);
  const model = openModel({ source, name: 'm.safetensors', folder: null });
  source.readBytes = 0;
  return { model, source };
}

const describe1 = (model: Model) => describeModel({ model, signer, progress: silentProgress });

function verify(model: Model, envelope: Uint8Array): VerifyReport {
  return verifyBaseline({ suspect: { kind: 'model', model }, envelope, publicKeyPem: signer.publicKeyPem });
}

describe('bytes read', () => {
  test('baseline: one pass gives leaves, the plain SHA-256 and the digest of the weights', async () => {
    const { model, source } = openCounted(plain);
    const { baseline, originalDigest } = await describe1(model);
    expect(source.readBytes).toBe(plain.length);
    expect(baseline.originalDigest).toBe(originalDigest);
    expect(originalDigest).toBe(toHex(toOriginalDigest(model)));
  });

  test('verify: unchanged weights are read once, for the comparison and the ledger entry together', async () => {
    const { envelope } = await describe1(openCounted(plain).model);
    const { model, source } = openCounted(plain);
    const report = verify(model, envelope);
    const digest = findOriginalDigest(model, report, silentProgress);
    expect([report.verdict, source.readBytes]).toEqual(['unchanged', plain.length]);
    expect(digest).toBe(toHex(toOriginalDigest(model)));
  });

  test('verify: tensors in another order are read once as well', async () => {
    const { envelope } = await describe1(openCounted(plain).model);
    const { model, source } = openCounted(safetensors(tensors.toReversed()));
    const report = verify(model, envelope);
    const digest = findOriginalDigest(model, report, silentProgress);
    expect(report.sameTensors).toBe(true);
    // The tensors, and once more those bytes that show that the files are laid out differently.
    expect(source.readBytes).toBeLessThanOrEqual(2 * plain.length);
    expect(digest).toBe(toHex(toOriginalDigest(model)));
  });

  test('verify: changed weights have a digest of their own, from a second reading', async () => {
    const { envelope } = await describe1(openCounted(plain).model);
    const changed = plain.slice();
    changed[changed.length - 1] ^= 8;
    const { model, source } = openCounted(changed);
    const report = verify(model, envelope);
    const digest = findOriginalDigest(model, report, silentProgress);
    expect([report.verdict, source.readBytes]).toEqual(['changed', plain.length + weightBytes]);
    expect(digest).toBe(toHex(toOriginalDigest(model)));
    expect(digest).not.toBe(toHex(toOriginalDigest(openCounted(plain).model)));
  });
});
