/** Marks in outputs and labels in graphs through the command: put in, run, read, replaced, removed. */
import { copyFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findRuntime } from '../../src/adapters/runtime/index.ts';
import { toNpyBytes } from '../../src/fidelity/index.ts';
import type { RuntimeTensor } from '../../src/model/runtime.ts';
import type { StampResult } from '../../src/workflows/index.ts';
import { PNG } from 'pngjs';
import { imageModel } from '../fakes/image-model.ts';
import { importable } from '../importable.ts';
import { describeWithShared, sharedData } from '../shared-data.ts';
import { createWorkplace, samples, type Workplace } from './command.ts';

let place: Workplace;
beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
  copyFileSync(join(samples, 'mlp.onnx'), join(place.folder, 'mlp.onnx'));
});
afterAll(() => {
  place.remove();
});
const at = (name: string): string => join(place.folder, name);

/** Answers of a model in the workplace to one feed. */
async function answer(model: string, feed: RuntimeTensor): Promise<ReadonlyMap<string, RuntimeTensor>> {
  const session = await (await findRuntime()).load({ main: readFileSync(at(model)), external: [] });
  const outputs = await session.run(new Map([[session.inputs[0].name, feed]]));
  await session.release();
  return outputs;
}

const toFeed = (shape: readonly number[]): RuntimeTensor => {
  const values = new Float32Array(shape.reduce((product, dim) => product * dim, 1)).map((_, i) => Math.sin(i * i) / 2);
  return { dtype: 'f32', shape, data: new Uint8Array(values.buffer) };
};
const toNested = ({ shape, data }: RuntimeTensor): number[][] => {
  const values = [...new Float32Array(data.slice().buffer)];
  return Array.from({ length: shape[0] }, (_, row) => values.slice(row * shape[1], (row + 1) * shape[1]));
};

describe('stamp scores', () => {
  test('the effect is measured on labelled data; recorded answers are recognised, as npy and as JSON', async () => {
    const result = place.json<StampResult>([
      ...['stamp', 'scores', 'mlp.onnx', '--text', 'Acme', '--step', '1e-3', '--out', 's.onnx', '--mark', 's.json'],
      ...['--eval', join(samples, 'eval.npz'), '--report', 'report.html'],
    ]);
    expect(result.effect?.accuracy?.accuracyMarked).toBe(result.effect?.accuracy?.accuracyOriginal);
    expect(result.effect?.outputs[0].maxChange).toBeLessThan(0.76e-3);
    expect(result.effect?.latency.ratio).toBeGreaterThan(0);
    expect(statSync(at('s.json')).mode & 0o777).toBe(0o600);
    expect(readFileSync(at('report.html'), 'utf8')).toContain('What it changed');
    const logits = (await answer('s.onnx', toFeed([100, 1, 12, 12]))).get('logits')!;
    writeFileSync(at('logits.npy'), toNpyBytes(logits));
    writeFileSync(at('answers.json'), JSON.stringify({ logits: toNested(logits) }));
    const read = place.json<{ readings: { isFound: boolean; reading: { evidenceBits: number; trials: number } }[] }>([
      ...['stamp', 'read', 'logits.npy', 'answers.json', '--mark', 's.json', '--trials', '6'],
    ]);
    expect(read.readings).toHaveLength(2);
    for (const { isFound, reading } of read.readings) {
      expect(isFound).toBe(true);
      expect(reading.trials).toBe(8);
    }
    const unmarked = (await answer('mlp.onnx', toFeed([100, 1, 12, 12]))).get('logits')!;
    writeFileSync(at('unmarked.npy'), toNpyBytes(unmarked));
    expect(place.run(['stamp', 'read', 'unmarked.npy', '--mark', 's.json']).status).toBe(1);
  });
});

describe('stamp checksum', () => {
  test('a changed prediction is named; help and result say that it has no key', async () => {
    const args = ['stamp', 'checksum', 'mlp.onnx', '--column', '--no-measure', '--out', 'c.onnx', '--mark', 'c.json'];
    expect(place.json<StampResult>(args).statement).toContain('has no key');
    expect(place.run(['stamp', 'checksum', '--help']).stdout.replaceAll(/\s+/g, ' ')).toContain('It has no key');
    const rows = toNested((await answer('c.onnx', toFeed([5, 1, 12, 12]))).get('logits')!);
    writeFileSync(at('good.json'), JSON.stringify({ logits: rows }));
    expect(place.run(['stamp', 'read', 'good.json', '--mark', 'c.json']).status).toBe(0);
    rows[2][4] += 0.01;
    writeFileSync(at('bad.json'), JSON.stringify({ logits: rows }));
    const bad = place.run(['stamp', 'read', 'bad.json', '--mark', 'c.json']);
    expect(bad.status).toBe(1);
    expect(bad.stdout).toContain('wrong rows: 2');
  });

  test('a recording that is none is refused', () => {
    for (const text of ['[[1,2],[3]]', '{"logits":["x"]}', 'nothing', '3']) {
      writeFileSync(at('odd.json'), text);
      const refused = place.run(['stamp', 'read', 'odd.json', '--mark', 'c.json', '--json']);
      expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'WATERMARK_RECORDING_MALFORMED' } });
    }
  });
});

describe('recorded answers', () => {
  test('a folder as run writes it is a recording of all outputs; detect --output reads as stamp read does', () => {
    place.json([
      ...['stamp', 'checksum', 'mlp.onnx', '--no-measure', '--out', 'd.onnx', '--mark', 'd.json', '--force'],
    ]);
    writeFileSync(at('x.npy'), toNpyBytes(toFeed([3, 1, 12, 12])));
    const { outputs } = place.json<{ outputs: { name: string }[] }>([
      ...['run', 'd.onnx', '--input', 'x.npy', '--out', 'answers'],
    ]);
    expect(outputs.map(({ name }) => name)).toEqual(['logits', 'logits_checksum']);
    const asDetect = place.run(['detect', 'answers', '--output', '--mark', 'd.json']);
    expect(asDetect.stdout).toContain('all 3 rows agree');
    expect(place.run(['stamp', 'read', 'answers', '--mark', 'd.json']).stdout).toBe(asDetect.stdout);
    rmSync(at('answers/logits_checksum.npy'));
    expect(place.run(['stamp', 'read', 'answers', '--mark', 'd.json', '--json']).stdout).toContain(
      'the recording has no such output',
    );
    rmSync(at('answers/logits.npy'));
    expect(place.run(['stamp', 'read', 'answers', '--mark', 'd.json', '--json']).stdout).toContain(
      'WATERMARK_RECORDING_MALFORMED',
    );
  });

  test('detect exits 0 whenever it could judge, stamp read 1 when a mark is absent', () => {
    place.json([
      'stamp',
      'signature',
      'mlp.onnx',
      '--text',
      'a',
      '--no-measure',
      '--out',
      'e.onnx',
      '--mark',
      'e.json',
    ]);
    writeFileSync(at('other.json'), JSON.stringify({ signature: [1, 2, 3] }));
    expect(place.run(['detect', 'other.json', '--output', '--mark', 'e.json']).status).toBe(0);
    expect(place.run(['stamp', 'read', 'other.json', '--mark', 'e.json']).status).toBe(1);
    for (const flags of [['--output'], ['--mark', 'e.json'], ['--output', '--mark', 'e.json', '--expect', 'claim']]) {
      expect(place.run(['detect', 'other.json', ...flags]).status).toBe(2);
    }
  });
});

describe.runIf(await importable('@resvg/resvg-wasm'))('stamp image with an SVG logo', () => {
  const NS = 'xmlns="http://www.w3.org/2000/svg"';

  test('is drawn at the size that it has in the picture, seen in the answers, and kept as PNG', async () => {
    writeFileSync(
      at('up.onnx'),
      imageModel({ output: 'image', layout: 'nchw', dtype: 'f32', channels: 3, height: 96, width: 128 }),
    );
    writeFileSync(
      at('logo.svg'),
      `<svg ${NS} viewBox="0 0 4 4"><path d="M0 0h2v2h-2zM2 2h2v2h-2z" fill="#fff"/><path d="M2 0h2v2h-2zM0 2h2v2h-2z"/></svg>`,
    );
    place.json([
      'stamp',
      'image',
      'up.onnx',
      '--logo',
      'logo.svg',
      '--size',
      '0.5',
      '--opacity',
      '1',
      '--out',
      'v.onnx',
      '--report',
      'v.html',
    ]);
    const mark = JSON.parse(readFileSync(at('v.onnx.mark.json'), 'utf8')) as { payload: { data: string } };
    const png = PNG.sync.read(Buffer.from(mark.payload.data, 'base64'));
    expect([png.width, png.height]).toEqual([64, 64]);
    const pictures = readFileSync(at('v.html'), 'utf8').match(/data:image\/png;base64,[\w+/=]+/g) ?? [];
    expect([pictures.length, new Set(pictures).size]).toEqual([2, 2]);
    const answers = await answer('v.onnx', toFeed([1, 3, 96, 128]));
    writeFileSync(at('picture.npy'), toNpyBytes(answers.get('image')!));
    expect(place.run(['stamp', 'read', 'picture.npy', '--mark', 'v.onnx.mark.json']).stdout).toContain('yes');
  });

  test('is refused with text or clones, by name and with what to do', () => {
    writeFileSync(at('text.svg'), `<svg ${NS}><text>Acme</text></svg>`);
    const refused = place.run(['stamp', 'image', 'up.onnx', '--logo', 'text.svg', '--json']);
    expect(refused.status).toBe(3);
    expect(JSON.parse(refused.stdout)).toMatchObject({
      error: {
        code: 'WATERMARK_SVG_REFUSED',
        fields: { element: 'text' },
        fix: expect.stringContaining('onvert text to paths'),
      },
    });
  });
});

describe('a sealed model', () => {
  test('marks and labels in it are listed; what would write a copy says to open it first', () => {
    place.json([
      'stamp',
      'signature',
      'mlp.onnx',
      '--text',
      'a',
      '--no-measure',
      '--out',
      's1.onnx',
      '--mark',
      's1.json',
    ]);
    place.json(['label', 'graph', 'write', 's1.onnx', '--licence', '(c) Acme', '--out', 's2.onnx']);
    place.json(['seal', 's2.onnx', '--out', 'sealed/s2.seal']);
    expect(place.json(['stamp', 'list', 'sealed/s2.seal'])).toMatchObject({ marks: [{ kind: 'signature' }] });
    expect(place.json(['label', 'graph', 'read', 'sealed/s2.seal'])).toMatchObject({ labels: [{ says: '(c) Acme' }] });
    for (const args of [
      ['stamp', 'scores', 'sealed/s2.seal', '--text', 'a'],
      ['stamp', 'remove', 'sealed/s2.seal', '--mark', 's1.json'],
      ['label', 'graph', 'write', 'sealed/s2.seal', '--text', 'a'],
      ['label', 'graph', 'remove', 'sealed/s2.seal'],
      ['label', 'write', 'sealed/s2.seal', '--text', 'a'],
      ['graph', 'find', 'sealed/s2.seal'],
      ['graph', 'remove', 'sealed/s2.seal', 'x'],
    ]) {
      const refused = place.run([...args, '--json']);
      expect([args, refused.status, refused.stdout]).toEqual([args, 2, expect.stringContaining('"MODEL_SEALED"')]);
      expect(refused.stdout).toContain('modelward open');
    }
    place.json(['open', 'sealed/s2.seal', '--out', 'opened']);
    place.json(['stamp', 'remove', 'opened/s2.onnx', '--mark', 's1.json', '--out', 's3.onnx']);
    place.json(['seal', 's3.onnx', '--out', 'sealed/s3.seal']);
    expect(place.json(['stamp', 'list', 'sealed/s3.seal'])).toEqual({ marks: [] });
  });
});

test('boxes are not appended to the samples of a batch: the scores of a classifier are refused', () => {
  const refused = place.run(['stamp', 'boxes', 'mlp.onnx', '--text', 'Acme', '--out', 'boxes.onnx', '--json']);
  expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'WATERMARK_OUTPUT_UNFIT' } });
});

describe('stamp signature', () => {
  test('is listed, replaced by another one of the same name, and removed: the file is what it was', () => {
    place.json(['stamp', 'signature', 'mlp.onnx', '--licence', '(c) Acme', '--out', 'g1.onnx', '--no-measure']);
    place.json([
      ...['stamp', 'signature', 'g1.onnx', '--uuid', '--out', 'g2.onnx', '--no-measure'],
      ...['--replace', 'g1.onnx.mark.json'],
    ]);
    const { marks } = place.json<{ marks: { kind: string }[] }>(['stamp', 'list', 'g2.onnx']);
    expect(marks).toMatchObject([{ kind: 'signature' }]);
    place.json(['stamp', 'remove', 'g2.onnx', '--mark', 'g2.onnx.mark.json', '--out', 'g0.onnx']);
    expect(Buffer.compare(readFileSync(at('g0.onnx')), readFileSync(at('mlp.onnx')))).toBe(0);
  });

  test('a column more is no class: accuracy is not told where classes are no longer where they were', () => {
    const { effect } = place.json<StampResult>([
      ...['stamp', 'checksum', 'mlp.onnx', '--column', '--eval', join(samples, 'eval.npz'), '--out', 'column.onnx'],
    ]);
    expect([effect?.outputs[0].shapeBefore?.at(-1), effect?.outputs[0].shapeAfter.at(-1)]).toEqual([10, 11]);
    expect(effect?.accuracy).toBeNull();
  });

  test('numbers that no mark file may hold are wrong usage, and nothing is written', () => {
    for (const args of [
      ['scores', '--text', 'a', '--step', '2'],
      ['image', '--text', 'a', '--opacity', '0'],
      ['hidden', '--text', 'a', '--cell', '1.5'],
    ]) {
      const { status, stderr } = place.run(['stamp', args[0], 'mlp.onnx', ...args.slice(1), '--out', 'never.onnx']);
      expect([status, stderr]).toEqual([2, expect.stringContaining('CLI_USAGE')]);
      expect(stderr).toContain(args[3]);
    }
    expect(existsSync(at('never.onnx'))).toBe(false);
  });

  test('exactly one payload', () => {
    expect(place.run(['stamp', 'signature', 'mlp.onnx']).status).toBe(2);
    expect(place.run(['stamp', 'signature', 'mlp.onnx', '--text', 'a', '--licence', 'b']).status).toBe(2);
  });
});

describeWithShared('stamp boxes on ultraface', () => {
  test('outputs are found by their shapes; the report shows the picture; the pattern is read', async () => {
    copyFileSync(sharedData('models/ultraface_rfb320.onnx'), at('face.onnx'));
    const result = place.json<StampResult>([
      ...[
        'stamp',
        'boxes',
        'face.onnx',
        '--licence',
        '(c) 2026 Acme, licence 7',
        '--out',
        'b.onnx',
        '--report',
        'b.html',
      ],
    ]);
    for (const output of result.effect?.outputs ?? []) expect(output.changed).toBe(0);
    expect(readFileSync(at('b.html'), 'utf8')).toContain('class="mark"');
    const boxes = (await answer('b.onnx', toFeed([1, 3, 240, 320]))).get('boxes')!;
    writeFileSync(at('boxes.npy'), toNpyBytes(boxes));
    const read = place.run(['stamp', 'read', 'boxes.npy', '--mark', 'b.onnx.mark.json']);
    expect(read.stdout).toContain('"(c) 2026 Acme, licence 7"');
  });
});

describe('label graph', () => {
  test('two kinds are written, read together, and removed one by one', () => {
    place.json(['label', 'graph', 'write', 'mlp.onnx', '--licence', '(c) Acme', '--out', 'l1.onnx']);
    place.json(['label', 'graph', 'write', 'l1.onnx', '--text', 'note', '--kind', 'channels', '--out', 'l2.onnx']);
    expect(place.json(['label', 'graph', 'read', 'l2.onnx'])).toEqual({
      labels: [
        { kind: 'metadata', payload: 'licence', says: '(c) Acme' },
        { kind: 'channels', payload: 'text', says: 'note' },
      ],
    });
    place.json(['label', 'graph', 'remove', 'l2.onnx', '--kind', 'channels', '--out', 'l3.onnx']);
    place.json(['label', 'graph', 'remove', 'l3.onnx', '--out', 'l4.onnx']);
    const none = place.run(['label', 'graph', 'read', 'l4.onnx', '--json']);
    expect(JSON.parse(none.stdout)).toEqual({ labels: [] });
    expect(none.status).toBe(1);
  });
});
