import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { describeWithShared, sharedData } from '../../test/shared-data.ts';
import { baselineOf, openFiles, safetensors, verifyFiles, withFlip } from '../../test/tamper/helpers.ts';
import { mlp, ramp, square } from '../../test/tamper/subjects.ts';
import { tinyExternal, tinyNode, tinyTensor } from '../../test/tiny-onnx.ts';
import { utf8 } from '../core/bytes.ts';
import { applyRewrite } from '../source/rewrite.ts';

describe('verification of an ONNX model', () => {
  const onnx = { 'm.onnx': mlp() };

  it('calls weights that went from the file into external data moved, not changed', async () => {
    const tensors = [tinyExternal('w', 'f32', [8, 8], { location: 'w.bin', offset: 16, length: 256 })];
    const packed = {
      'm.onnx': mlp({ tensors }),
      'w.bin': new Uint8Array(Buffer.concat([new Uint8Array(16), square])),
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
    const packed = { 'm.onnx': mlp({ tensors }), 'w.bin': withFlip(square, 4 * 19 + 2, 7) };
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
  const w = { name: 'w', dtype: 'F32', shape: [8, 8], data: square };

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
    const flipped = verifyFiles(envelope, stored([{ ...w, data: withFlip(square, 4 * 19 + 2, 7) }]));
    expect(flipped).toMatchObject({ verdict: 'changed', sameTensors: false });
    expect(flipped.changes[0]).toMatchObject({ kind: 'bit-flip', tensor: 'w', element: 19, bit: 23 });
    const renamed = verifyFiles(envelope, stored([{ ...w, name: 'fc.weight' }]));
    expect(renamed).toMatchObject({ verdict: 'changed', worst: 'medium', sameTensors: true });
    expect(renamed.changes.map(({ kind }) => kind)).toEqual(['tensor-renamed', 'format-changed']);
    const lacking = verifyFiles(envelope, stored([{ ...w, shape: [4, 8], data: square.slice(0, 128) }]));
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
      'w.bin': square,
    };
    const report = verifyFiles(await baselineOf(tied), { ...tied, 'w.bin': withFlip(square, 5, 2) });
    expect(report.changes[0]).toMatchObject({ kind: 'bit-flip', tensor: 'w', element: 1, detail: 'also part of v' });
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
