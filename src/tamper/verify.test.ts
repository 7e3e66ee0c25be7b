import { describe, expect, it } from 'vitest';
import { codeOf } from '../../test/error-code.ts';
import { baselineOf, safetensors, signer, verifyFiles, withFlip } from '../../test/tamper/helpers.ts';
import { big, files, mlp, plain, ramp, reorder, square, weights } from '../../test/tamper/subjects.ts';
import { tinyExternal } from '../../test/tiny-onnx.ts';
import { utf8 } from '../core/bytes.ts';
import { openBufferSource } from '../source/buffer.ts';
import { verifyBaseline } from './verify.ts';

describe('verification of a safetensors model', () => {
  it('calls the same bytes unchanged, whatever the file is named', async () => {
    const report = verifyFiles(await baselineOf(files), { 'renamed.safetensors': plain });
    expect(report).toMatchObject({ verdict: 'unchanged', changes: [], changesTotal: 0, worst: null, leavesChanged: 0 });
    expect(report.analysed).toEqual({ bytes: true, tensors: true, graph: 'full', metadata: true });
  });

  it('calls tensors in another order moved, not changed', async () => {
    const report = verifyFiles(await baselineOf(files), reorder([2, 0, 1]));
    expect(report.verdict).toBe('moved');
    expect(report.changes.map(({ kind, severity }) => `${kind} ${severity}`)).toEqual(Array(3).fill('moved info'));
  });

  it('calls tensors of one size that changed places moved, not changed', async () => {
    const swapped = verifyFiles(await baselineOf(files), reorder([0, 2, 1]));
    expect(swapped).toMatchObject({ verdict: 'moved', sameTensors: true });
    expect(swapped.changes.map(({ kind, tensor }) => `${kind} ${tensor}`)).toEqual([
      'moved b.weight',
      'moved c.weight',
    ]);
  });

  it('names a changed metadata entry and leaves the tensors alone', async () => {
    const report = verifyFiles(await baselineOf(files), reorder([0, 1, 2], { author: 'them', note: 'x' }));
    const metadata = report.changes.filter((change) => change.kind === 'metadata-changed');
    expect(metadata.map(({ subject, detail }) => `${subject}: ${detail}`)).toEqual(['author: changed', 'note: added']);
    expect(report.verdict).toBe('changed');
    expect(report.leavesChanged).toBe(0);
  });

  it('names leaf and rows, and no element, where more than one bit of a leaf changed', async () => {
    const altered = plain.slice();
    const start = plain.length - 128 - big.length;
    altered[start + 70_000] ^= 3;
    const [change, ...more] = verifyFiles(await baselineOf(files), { 'm.safetensors': altered }).changes;
    expect(more).toEqual([]);
    // Leaf 1 holds bytes 65,536..131,071 = elements 16,384..32,767 = rows 81..163 of 200.
    expect(change).toMatchObject({ kind: 'weights-changed', tensor: 'a.weight', leaf: 1, rows: [81, 163] });
    expect(change).toMatchObject({ element: null, bit: null, bits: null, offset: start + 65_536 });
  });

  it('lists every changed element and bit with a reference', async () => {
    const altered = plain.slice();
    const start = plain.length - 128 - big.length;
    altered[start + 4 * 201 + 3] ^= 0x41;
    altered[start + 4 * 30_000] ^= 1;
    const report = verifyFiles(await baselineOf(files), { 'm.safetensors': altered }, { reference: files });
    expect(
      report.changes.map(({ tensor, rows, element, bits, kind }) => ({ tensor, rows, element, bits, kind })),
    ).toEqual([
      { tensor: 'a.weight', rows: [1, 1], element: 201, bits: [24, 30], kind: 'weights-changed' },
      { tensor: 'a.weight', rows: [150, 150], element: 30_000, bits: [0], kind: 'bit-flip' },
    ]);
    expect(report).toMatchObject({ elementsChanged: 2, bitsChanged: 3, leavesChanged: 2 });
  });

  it('goes on counting when the list is full', async () => {
    const altered = plain.slice();
    const start = plain.length - 128 - big.length;
    for (let element = 0; element < 1000; element++) altered[start + 4 * element] ^= 5;
    const envelope = await baselineOf(files);
    const report = verifyFiles(envelope, { 'm.safetensors': altered }, { reference: files, changesMax: 10 });
    expect(report.changes).toHaveLength(10);
    expect(report).toMatchObject({ changesTotal: 1000, elementsChanged: 1000, bitsChanged: 2000 });
    expect(report.tensors).toEqual([{ tensor: 'a.weight', leaves: 3, leavesChanged: 1 }]);
  });

  it('grades a sign or exponent bit above a mantissa bit', async () => {
    const envelope = await baselineOf(files);
    const severityOf = (byte: number, bit: number) =>
      verifyFiles(envelope, { 'm.safetensors': withFlip(plain, plain.length - 128 + byte, bit) }).worst;
    expect([severityOf(3, 7), severityOf(3, 0), severityOf(2, 7), severityOf(2, 6), severityOf(0, 0)]).toEqual([
      'high',
      'high',
      'high',
      'medium',
      'medium',
    ]);
  });

  it('says that two tensors were swapped', async () => {
    const swapped = [weights[0], { ...weights[1], data: weights[2].data }, { ...weights[2], data: weights[1].data }];
    const report = verifyFiles(await baselineOf(files), { 'm.safetensors': safetensors(swapped, { author: 'us' }) });
    expect(report.verdict).toBe('changed');
    expect(report.tensors.map(({ tensor }) => tensor)).toEqual(['b.weight', 'c.weight']);
    expect(report.changes.map(({ detail }) => detail)).toEqual(
      expect.arrayContaining(['holds what c.weight held', 'holds what b.weight held']),
    );
  });

  it('names tensors that were added, removed or renamed', async () => {
    const other = [
      weights[0],
      { ...weights[1], name: 'b.other' },
      { name: 'd.weight', dtype: 'F32', shape: [3], data: ramp(3) },
    ];
    const report = verifyFiles(await baselineOf(files), { 'm.safetensors': safetensors(other, { author: 'us' }) });
    const found = report.changes.map(({ kind, tensor, subject }) => [kind, tensor, subject]);
    expect(found).toContainEqual(['tensor-renamed', 'b.weight', 'b.other']);
    expect(found).toContainEqual(['tensor-added', 'd.weight', null]);
    expect(found).toContainEqual(['tensor-removed', 'c.weight', null]);
  });

  it('names a changed type and a changed shape', async () => {
    const envelope = await baselineOf(files);
    const typed = verifyFiles(envelope, {
      'm.safetensors': safetensors([weights[0], weights[1], { ...weights[2], dtype: 'I32' }], { author: 'us' }),
    });
    expect(typed.changes.map(({ kind, tensor, detail }) => [kind, tensor, detail])).toContainEqual([
      'dtype-changed',
      'c.weight',
      'f32 -> i32',
    ]);
    const shaped = verifyFiles(envelope, {
      'm.safetensors': safetensors([weights[0], weights[1], { ...weights[2], shape: [2, 8] }], { author: 'us' }),
    });
    const change = shaped.changes.find(({ kind }) => kind === 'shape-changed');
    expect(change?.detail).toContain('[4, 4] -> [2, 8]');
    expect(shaped.worst).toBe('high');
  });

  it('reports a cut and a lengthened file by the bytes although neither opens', async () => {
    const envelope = await baselineOf(files);
    const cut = verifyFiles(envelope, { 'm.safetensors': plain.slice(0, plain.length - 70) });
    expect(cut.changes.map(({ kind, tensor }) => [kind, tensor])).toEqual([
      ['unreadable', null],
      ['truncated', 'b.weight'],
      ['truncated', 'c.weight'],
    ]);
    const longer = new Uint8Array(Buffer.concat([plain, utf8('PK\u0003\u0004')]));
    const report = verifyFiles(envelope, { 'm.safetensors': longer });
    expect(report.changes.map(({ kind, offset }) => [kind, offset])).toEqual([
      ['unreadable', null],
      ['appended', plain.length],
    ]);
    expect(report).toMatchObject({ verdict: 'changed', worst: 'high', leavesChanged: 0 });
  });

  it('finds the flipped bit in a header that no longer reads', async () => {
    const report = verifyFiles(await baselineOf(files), { 'm.safetensors': withFlip(plain, 8, 0) });
    const kinds = report.changes.map(({ kind, offset, bit, severity }) => [kind, offset, bit, severity]);
    expect(kinds).toEqual([
      ['unreadable', null, null, 'high'],
      ['bit-flip', 8, 0, 'high'],
    ]);
    expect(report.analysed).toMatchObject({ bytes: true, graph: 'none', metadata: false });
  });

  it('never calls another model unchanged', async () => {
    const other = {
      'm.safetensors': safetensors(weights.map((one) => ({ ...one, data: one.data.map((byte) => byte ^ 1) }))),
    };
    const report = verifyFiles(await baselineOf(files), other);
    expect(report.verdict).toBe('changed');
    expect(report.tensors.map((tally) => tally.leavesChanged)).toEqual([3, 1, 1]);
  });

  it('refuses a reference of other sizes or other content', async () => {
    const envelope = await baselineOf(files);
    const altered = { 'm.safetensors': withFlip(plain, plain.length - 1, 3) };
    const refused = (reference: Record<string, Uint8Array>) =>
      codeOf(() => verifyFiles(envelope, altered, { reference }));
    expect(refused({ 'm.safetensors': safetensors([weights[0]]) })).toBe('TAMPER_REFERENCE_MISMATCH');
    expect(refused({ 'm.safetensors': withFlip(plain, plain.length - 2, 3) })).toBe('TAMPER_REFERENCE_MISMATCH');
    expect(refused(files)).toBe('no error');
  });

  it('compares by the bytes when files are missing', async () => {
    const at = { location: 'w.bin', offset: 0, length: 256 };
    const split = { 'm.onnx': mlp({ tensors: [tinyExternal('w', 'f32', [8, 8], at)] }), 'w.bin': square };
    const report = verifyBaseline({
      suspect: {
        kind: 'files',
        files: [{ name: 'm.onnx', source: openBufferSource('m.onnx', split['m.onnx']) }],
        refusal: 'SOURCE_NOT_FOUND',
      },
      envelope: await baselineOf(split),
      publicKeyPem: signer.publicKeyPem,
    });
    expect(report.verdict).toBe('changed');
    expect(report.changes.map(({ kind }) => kind)).toEqual(['unreadable', 'files-changed']);
    expect(report.analysed.bytes).toBe(false);
  });
});
