import { expect, describe, it } from 'vitest';
import { baselineOf, safetensors, signer, toSuspect, withFlip } from '../../test/tamper/helpers.ts';
import { openModel } from '../formats/index.ts';
import { openSealSource, sealSource } from '../seal/index.ts';
import { openBufferSource } from '../source/buffer.ts';
import { verifyBaseline } from './verify.ts';

const values = Float32Array.from({ length: 60_000 }, (_, index) => Math.cos(index));
const plain = safetensors([{ name: 'w', dtype: 'F32', shape: [300, 200], data: new Uint8Array(values.buffer) }]);

/** The model, sealed and opened again as a byte source. */
function openSealed() {
  const chunks: Uint8Array[] = [];
  const dek = new Uint8Array(32).fill(9);
  sealSource({
    source: openBufferSource('m.safetensors', plain),
    sink: { write: (chunk) => chunks.push(chunk.slice()) },
    dek,
    model: { name: 'm' },
    format: 'safetensors',
    clock: { nowMs: () => 0 },
    random: { fill: (into) => into.fill(5) },
    segmentBytes: 65_536,
  });
  const sealed = openBufferSource('m.seal', new Uint8Array(Buffer.concat(chunks)));
  return openModel({ source: openSealSource({ source: sealed, dek }), name: 'm.safetensors', folder: null });
}

describe('verification of sealed models', () => {
  it('compares what the seal holds', async () => {
    const suspect = { kind: 'model', model: openSealed() } as const;
    const envelope = await baselineOf({ 'm.safetensors': plain });
    const report = verifyBaseline({ suspect, envelope, publicKeyPem: signer.publicKeyPem });
    expect(report).toMatchObject({ verdict: 'unchanged', changesTotal: 0 });
  });

  it('takes a sealed reference', async () => {
    const altered = withFlip(withFlip(plain, plain.length - 4, 2), plain.length - 400, 1);
    const report = verifyBaseline({
      suspect: toSuspect({ 'm.safetensors': altered }),
      envelope: await baselineOf({ 'm.safetensors': plain }),
      publicKeyPem: signer.publicKeyPem,
      reference: openSealed(),
    });
    expect(report.changes.map(({ element, bit, rows }) => [element, bit, rows])).toEqual([
      [59_900, 1, [299, 299]],
      [59_999, 2, [299, 299]],
    ]);
  });
});
