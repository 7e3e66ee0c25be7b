import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { codeOf } from '../../test/error-code.ts';
import { describeWithShared, sharedData } from '../../test/shared-data.ts';
import { f32Bytes, type Part, tinyExternal, tinyModel, tinyNode, tinyTensor, tinyValue } from '../../test/tiny-onnx.ts';
import { baselineOf, openFiles, safetensors, signer, verifyFiles, withFlip } from '../../test/tamper/helpers.ts';
import { toHex, utf8 } from '../core/bytes.ts';
import { sha256 } from '../core/hash.ts';
import { TAMPER_LIMITS } from '../core/limits/tamper.ts';
import { createP256Pkcs8, p256Signer, signDsse, encodeDsse } from '../sign/index.ts';
import { openBufferSource } from '../source/buffer.ts';
import { applyRewrite } from '../source/rewrite.ts';
import { createBaseline, toBaseline } from './baseline.ts';
import { BASELINE_PAYLOAD_TYPE, decodeBaseline, encodeBaseline } from './manifest.ts';
import { verifyBaseline } from './verify.ts';

const ramp = (length: number, scale = 0.5) => f32Bytes(Array.from({ length }, (_, index) => Math.sin(index * scale)));
const big = ramp(40_000, 0.1);
const weights = [
  { name: 'a.weight', dtype: 'F32', shape: [200, 200], data: big },
  { name: 'b.weight', dtype: 'F32', shape: [4, 4], data: ramp(16) },
  { name: 'c.weight', dtype: 'F32', shape: [4, 4], data: ramp(16, 0.7) },
];
const plain = safetensors(weights, { author: 'us' });
const files = { 'm.safetensors': plain };
const reorder = (order: readonly number[], metadata: Record<string, string> = { author: 'us' }) => ({
  'm.safetensors': safetensors(
    order.map((index) => weights[index]),
    metadata,
  ),
});

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
});

const data = ramp(64);
function mlp(options: { tensors?: readonly Part[]; nodes?: readonly Part[] } = {}): Uint8Array {
  return tinyModel({
    inputs: [tinyValue('x', 'f32', [1, 8])],
    outputs: [tinyValue('y', 'f32', [1, 8])],
    nodes: options.nodes ?? [tinyNode('MatMul', ['x', 'w'], ['h']), tinyNode('Relu', ['h'], ['y'])],
    tensors: options.tensors ?? [tinyTensor('w', 'f32', [8, 8], data)],
  });
}

describe('verification of an ONNX model', () => {
  const onnx = { 'm.onnx': mlp() };

  it('calls weights that went from the file into external data moved, not changed', async () => {
    const tensors = [tinyExternal('w', 'f32', [8, 8], { location: 'w.bin', offset: 16, length: 256 })];
    const packed = {
      'm.onnx': mlp({ tensors }),
      'w.bin': new Uint8Array(Buffer.concat([new Uint8Array(16), data])),
    };
    const there = verifyFiles(await baselineOf(onnx), packed);
    expect(there.verdict).toBe('moved');
    expect(there.changes.map(({ kind, tensor, detail }) => [kind, tensor, detail])).toEqual([
      ['moved', 'w', 'raw -> external'],
    ]);
    expect(verifyFiles(await baselineOf(packed), onnx).verdict).toBe('moved');
  });

  it('locates a flipped bit inside weights that were also moved', async () => {
    const tensors = [tinyExternal('w', 'f32', [8, 8], { location: 'w.bin', offset: 0, length: 256 })];
    const packed = { 'm.onnx': mlp({ tensors }), 'w.bin': withFlip(data, 4 * 19 + 2, 7) };
    const report = verifyFiles(await baselineOf(onnx), packed);
    expect(report.changes[0]).toMatchObject({ kind: 'bit-flip', tensor: 'w', rows: [2, 2], element: 19, bit: 23 });
    expect(report.changes[0]).toMatchObject({ file: 'w.bin', offset: 4 * 19 + 2 });
  });

  it('finds an inserted node, a removed one and a changed attribute', async () => {
    const envelope = await baselineOf(onnx);
    const inserted = verifyFiles(envelope, {
      'm.onnx': mlp({
        nodes: [
          tinyNode('MatMul', ['x', 'w'], ['h']),
          tinyNode('Sigmoid', ['h'], ['s']),
          tinyNode('Relu', ['s'], ['y']),
        ],
      }),
    });
    const found = inserted.changes.filter(({ kind }) => kind === 'graph-changed').map(({ detail }) => detail);
    expect(found).toEqual(expect.arrayContaining(['Sigmoid node added', 'Relu node rewired']));
    expect(inserted.leavesChanged).toBe(0);
    const removed = verifyFiles(envelope, { 'm.onnx': mlp({ nodes: [tinyNode('MatMul', ['x', 'w'], ['y'])] }) });
    expect(removed.changes.map(({ detail }) => detail)).toEqual(expect.arrayContaining(['Relu node removed']));
    expect(removed.changes.filter(({ kind }) => kind === 'graph-changed')).toHaveLength(1);
    const swapped = verifyFiles(envelope, {
      'm.onnx': mlp({ nodes: [tinyNode('MatMul', ['x', 'w'], ['h']), tinyNode('Tanh', ['h'], ['y'])] }),
    });
    expect(swapped.changes.map(({ detail }) => detail)).toContain('Tanh node changed, was Relu');
    expect(swapped).toMatchObject({ verdict: 'changed', worst: 'high' });
  });

  it('sees bytes appended to the file and what they do to the model', async () => {
    const metadata = utf8('\u0072\u0006\u000a\u0001k\u0012\u0001v');
    const report = verifyFiles(await baselineOf(onnx), { 'm.onnx': new Uint8Array(Buffer.concat([mlp(), metadata])) });
    const kinds = report.changes.map(({ kind }) => kind);
    expect(kinds).toContain('appended');
    expect(kinds).toContain('metadata-changed');
    expect(report.verdict).toBe('changed');
  });

  const stored = (tensors: Parameters<typeof safetensors>[0], metadata?: Record<string, string>) => ({
    'm.safetensors': safetensors(tensors, metadata),
  });
  const w = { name: 'w', dtype: 'F32', shape: [8, 8], data };

  it('calls the same tensors in another file format re-encoded, and says what else the file holds', async () => {
    const envelope = await baselineOf(onnx);
    const converted = verifyFiles(envelope, stored([w]));
    expect(converted).toMatchObject({ verdict: 're-encoded', worst: 'info', sameTensors: true, complete: true });
    expect(converted.changes.map(({ kind }) => kind)).toEqual(['moved', 'format-changed']);
    expect(converted.analysed).toEqual({ bytes: false, tensors: true, graph: 'absent', metadata: true });
    const annotated = verifyFiles(envelope, stored([w], { note: 'from elsewhere' }));
    expect(annotated).toMatchObject({ verdict: 're-encoded', complete: false, analysed: { metadata: false } });
    const withGraph = verifyFiles(await baselineOf(stored([w])), onnx);
    expect(withGraph).toMatchObject({ verdict: 're-encoded', sameTensors: true, complete: false });
    expect(withGraph.analysed).toMatchObject({ graph: 'none' });
  });

  it('names the tensors that changed in another file format', async () => {
    const envelope = await baselineOf(onnx);
    const flipped = verifyFiles(envelope, stored([{ ...w, data: withFlip(data, 4 * 19 + 2, 7) }]));
    expect(flipped).toMatchObject({ verdict: 'changed', sameTensors: false });
    expect(flipped.changes[0]).toMatchObject({ kind: 'bit-flip', tensor: 'w', element: 19, bit: 23 });
    const renamed = verifyFiles(envelope, stored([{ ...w, name: 'fc.weight' }]));
    expect(renamed).toMatchObject({ verdict: 'changed', worst: 'medium', sameTensors: true });
    expect(renamed.changes.map(({ kind }) => kind)).toEqual(['tensor-renamed', 'format-changed']);
    const lacking = verifyFiles(envelope, stored([{ ...w, shape: [4, 8], data: data.slice(0, 128) }]));
    expect(lacking).toMatchObject({ verdict: 'changed', sameTensors: false });
  });

  it('compares the values of typed fields, not their spelling', async () => {
    // TensorProto: dims 2, int64, packed int64_data, name "w"; both spell [1, 2], with the spare byte elsewhere.
    const typed = (values: readonly number[]) =>
      mlp({
        tensors: [
          tinyTensor('v', 'f32', [1], ramp(1)),
          Uint8Array.of(8, 2, 16, 7, 0x3a, values.length, ...values, 0x42, 1, 0x77),
        ],
      });
    const envelope = await baselineOf({ 'm.onnx': typed([0x81, 0x00, 0x02]) });
    const spelled = verifyFiles(envelope, { 'm.onnx': typed([0x01, 0x82, 0x00]) });
    expect(spelled.changes.map(({ kind, tensor, detail }) => [kind, tensor, detail])).toEqual([
      ['moved', 'w', 'the same values, encoded differently'],
    ]);
    const flipped = verifyFiles(envelope, { 'm.onnx': typed([0x81, 0x00, 0x03]) });
    expect(flipped.changes[0]).toMatchObject({ kind: 'bit-flip', tensor: 'w', element: 1, bit: 0, rows: [1, 1] });
    const several = verifyFiles(envelope, { 'm.onnx': typed([0x81, 0x01, 0x02]) });
    expect(several.changes[0]).toMatchObject({ kind: 'bit-flip', tensor: 'w', element: 0, bit: 7 });
  });

  it('lists what shares the bytes of a changed tensor', async () => {
    const at = { location: 'w.bin', offset: 0, length: 256 };
    const tied = {
      'm.onnx': mlp({ tensors: [tinyExternal('w', 'f32', [8, 8], at), tinyExternal('v', 'f32', [8, 8], at)] }),
      'w.bin': data,
    };
    const report = verifyFiles(await baselineOf(tied), { ...tied, 'w.bin': withFlip(data, 5, 2) });
    expect(report.changes[0]).toMatchObject({ kind: 'bit-flip', tensor: 'w', element: 1, detail: 'also part of v' });
  });
});

describe('the baseline itself', () => {
  const payloadOf = (envelope: Uint8Array) => {
    const { payload } = JSON.parse(new TextDecoder().decode(envelope)) as { payload: string };
    return JSON.parse(Buffer.from(payload, 'base64').toString()) as Record<string, unknown>;
  };
  const signed = async (payload: Uint8Array, by = signer, payloadType = BASELINE_PAYLOAD_TYPE) =>
    encodeDsse(await signDsse({ payloadType, payload, signer: by }));

  it('is the same for the same model, and carries the plain SHA-256 of the file', async () => {
    const payload = payloadOf(await baselineOf(files));
    expect(payload).toEqual(payloadOf(await baselineOf(files)));
    expect((payload.files as { sha256: string }[])[0].sha256).toBe(Buffer.from(sha256(plain)).toString('hex'));
  });

  it('has the leaves and roots of the vector in docs/spec/baseline.md 7', () => {
    const data = Uint8Array.from({ length: 70_000 }, (_, index) => (7 * index + Math.floor(index / 256)) % 256);
    const file = safetensors([{ name: 'w', dtype: 'F32', shape: [175, 100], data }]);
    const baseline = toBaseline({ model: openFiles({ 'm.safetensors': file }) });
    const [{ sha256: plainSha256, segments }] = baseline.files;
    expect([
      plainSha256,
      ...segments.map(({ leaves }) => toHex(leaves)),
      baseline.tensors[0].root,
      baseline.rawRoot,
    ]).toEqual([
      'e2556f400d8d7e2462fc4f98b78cb4b5a0a6c08946412cf8c671f7d5374faabe',
      '3eeeaa0cb26cb5c00396d0dd91fe22d92a8cb8df5ea065c81649a2a3d54de9b7f9e9d500',
      '4c200c2b0fc99fe28896ff9411be8073b016c724a110dd135b17a3521131e19bdf6fd768' +
        '165861c54a2d66870eccaffa63675fc78f41d31e946c91c50471eac2c9ef27b1ee0faa6c',
      '5aabf26bf88b09c5171a69fe46f1320115997b16a2d73dd6b0ad74e07065156c',
      'e06e67003e85c84a05419fb725340afc47ad0ad5599469203fba79baacdd5350',
    ]);
  });

  it('hands the logical bytes of every tensor on once, in order, however they are stored', () => {
    const tensors = [
      tinyTensor('raw', 'f32', [8, 8], data),
      tinyExternal('external', 'f32', [200, 200], { location: 'w.bin', offset: 0, length: big.length }),
      tinyExternal('tied', 'f32', [100, 200], { location: 'w.bin', offset: 0, length: big.length / 2 }),
      // TensorProto: dims 2, int64, packed int64_data [3, 4], name "t".
      Uint8Array.of(8, 2, 16, 7, 0x3a, 2, 3, 4, 0x42, 1, 0x74),
    ];
    const model = openFiles({ 'm.onnx': mlp({ tensors }), 'w.bin': big });
    const seen = model.tensors.map((): Uint8Array[] => []);
    const onTensorBytes = (tensor: number, bytes: Uint8Array) => void seen[tensor].push(bytes.slice());
    const { originalDigest } = toBaseline({ model, onTensorBytes, originalDigest: () => '5c'.repeat(32) });
    expect(originalDigest).toBe('5c'.repeat(32));
    model.tensors.forEach((tensor, index) => {
      const whole = new Uint8Array(tensor.byteLength);
      tensor.read(0, whole);
      expect(Buffer.compare(Buffer.concat(seen[index]), whole), tensor.name).toBe(0);
    });
  });

  it('carries the format-neutral digest where the writer has one, and gives it for a model with the same tensors', async () => {
    const originalDigest = () => 'ab'.repeat(32);
    const { baseline, envelope } = await createBaseline({ model: openFiles(files), signer, originalDigest });
    expect(decodeBaseline(encodeBaseline(baseline)).originalDigest).toBe('ab'.repeat(32));
    expect(verifyFiles(envelope, reorder([2, 0, 1])).originalDigest).toBe('ab'.repeat(32));
    const flipped = { 'm.safetensors': withFlip(plain, plain.length - 1, 3) };
    expect(verifyFiles(envelope, flipped).originalDigest).toBeNull();
    expect(verifyFiles(await baselineOf(files), files).originalDigest).toBeNull();
  });

  it('takes the plain SHA-256 from a caller who has it', () => {
    const baseline = toBaseline({ model: openFiles(files), fileSha256: ['ab'.repeat(32)] });
    expect(baseline.files[0].sha256).toBe('ab'.repeat(32));
  });

  it('covers every byte of every file once', () => {
    const baseline = decodeBaseline(encodeBaseline(toBaseline({ model: openFiles(files) })));
    for (const { size, segments } of baseline.files) {
      let at = 0;
      for (const { start, end } of segments) {
        expect(start).toBe(at);
        at = end;
      }
      expect(at).toBe(size);
    }
  });

  it('is refused when it, its signature or its signer is another one', async () => {
    const envelope = await baselineOf(files);
    const json = JSON.parse(new TextDecoder().decode(envelope)) as { payload: string; signatures: { sig: string }[] };
    const payload = Buffer.from(json.payload, 'base64');
    payload[payload.indexOf('a.weight')] ^= 1;
    const altered = utf8(JSON.stringify({ ...json, payload: payload.toString('base64') }));
    expect(codeOf(() => verifyFiles(altered, files))).toBe('SIGN_SIGNATURE_INVALID');
    const stranger = p256Signer(createP256Pkcs8());
    const foreign = await signed(new Uint8Array(Buffer.from(json.payload, 'base64')), stranger);
    expect(codeOf(() => verifyFiles(foreign, files))).toBe('SIGN_OTHER_SIGNER');
    const otherType = await signed(new Uint8Array(Buffer.from(json.payload, 'base64')), signer, 'text/plain');
    expect(codeOf(() => verifyFiles(otherType, files))).toBe('SIGN_TYPE_MISMATCH');
    expect(codeOf(() => verifyFiles(utf8('{}'), files))).toBe('SIGN_ENVELOPE_MALFORMED');
  });

  it('is refused when it is signed but does not fit together', async () => {
    const good = payloadOf(await baselineOf(files));
    type Loose = Record<string, unknown> & {
      files: (Record<string, unknown> & { segments: Record<string, unknown>[] })[];
      tensors: Record<string, unknown>[];
    };
    const bad: [string, (json: Loose) => void][] = [
      ['not JSON', () => undefined],
      ['v', (json) => (json.v = 2)],
      ['leafBytes', (json) => (json.leafBytes = 4096)],
      ['extra', (json) => (json.extra = 1)],
      ['rawRoot', (json) => (json.rawRoot = '00'.repeat(32))],
      ['files', (json) => (json.files = [])],
      ['files.0.root', (json) => (json.files[0].root = '00'.repeat(32))],
      ['files.0.size', (json) => (json.files[0].size = 1e15)],
      ['hole', (json) => json.files[0].segments.splice(1, 1)],
      ['overlap', (json) => (json.files[0].segments[1].start = 0)],
      ['short leaves', (json) => (json.files[0].segments[1].leaves = '')],
      ['tensor file', (json) => (json.tensors[0].file = 7)],
      ['tensor end', (json) => (json.tensors[0].end = 1e15)],
      ['tensor shape', (json) => (json.tensors[0].shape = [9e15, 9e15])],
      ['other shape', (json) => (json.tensors[0].shape = [1])],
      ['tensor root', (json) => (json.tensors[0].root = '00'.repeat(32))],
      ['own leaves twice', (json) => (json.tensors[0].leaves = '')],
      ['name twice', (json) => (json.tensors[1].name = json.tensors[0].name)],
    ];
    for (const [title, change] of bad) {
      const json = structuredClone(good) as Loose;
      change(json);
      const payload = title === 'not JSON' ? utf8('{') : utf8(JSON.stringify(json));
      const envelope = await signed(payload);
      expect(
        codeOf(() => verifyFiles(envelope, files)),
        title,
      ).toBe('TAMPER_BASELINE_MALFORMED');
    }
  });

  it('is not made when it would be too large to be read again', () => {
    const baseline = toBaseline({ model: openFiles(files) });
    const name = 'x'.repeat(TAMPER_LIMITS.manifestBytesMax);
    const node = { scope: '', op: '', name, output: '', exact: '', deep: '', local: '' };
    const graph = { digest: '', wiring: '', opaque: 0, nodes: [node] };
    expect(codeOf(() => encodeBaseline({ ...baseline, graph }))).toBe('TAMPER_BASELINE_TOO_LARGE');
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
    const split = { 'm.onnx': mlp({ tensors: [tinyExternal('w', 'f32', [8, 8], at)] }), 'w.bin': data };
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

describeWithShared('verification of real models', () => {
  it('calls a re-written file with an added metadata entry changed in its metadata alone', async () => {
    const bytes = new Uint8Array(readFileSync(sharedData('models', 'ultraface_rfb320.onnx')));
    const original = { 'm.onnx': bytes };
    const chunks: Uint8Array[] = [];
    const plan = openFiles(original).plan([{ kind: 'metadata', key: 'k', value: 'v' }]);
    applyRewrite(plan.files[0].ops, { write: (chunk) => chunks.push(chunk.slice()) });
    const report = verifyFiles(await baselineOf(original), { 'm.onnx': new Uint8Array(Buffer.concat(chunks)) });
    const kinds = new Set(report.changes.filter(({ severity }) => severity !== 'info').map(({ kind }) => kind));
    expect([...kinds].sort()).toEqual(expect.arrayContaining(['metadata-changed']));
    expect(kinds.has('graph-changed')).toBe(false);
    expect(report.leavesChanged).toBe(0);
  });
});
