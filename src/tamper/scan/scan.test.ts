/** The rules outside the graph, format by format, and what a report says of parts that were not scanned. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { scanBytes } from '../../../test/attacks/backdoors/judge.ts';
import { writeFlat } from '../../../test/formats/flat-writer.ts';
import { GGML, gguf, stringEntry } from '../../../test/formats/gguf.ts';
import * as K from '../../../test/formats/pickle.ts';
import { TFLITE_OP, TFLITE_TYPE, toTfliteRoot } from '../../../test/formats/tflite.ts';
import { writeTorch } from '../../../test/formats/zip.ts';
import { codeOf } from '../../../test/error-code.ts';
import { FormatError } from '../../core/errors.ts';
import type { ScanReport } from './finding.ts';
import { findRefusal } from './refusals.ts';

const FIXTURES = join(import.meta.dirname, '../../../test/fixtures/pytorch');

const rulesOf = ({ findings }: ScanReport): string[] => findings.map(({ rule, severity }) => `${rule} ${severity}`);

/** A safetensors file of tensors and metadata. */
function safetensors(
  tensors: Readonly<
    Record<string, { readonly dtype: string; readonly shape: readonly number[]; readonly data: Uint8Array }>
  >,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  let at = 0;
  const header: Record<string, unknown> = Object.keys(metadata).length === 0 ? {} : { __metadata__: metadata };
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [at, at + data.length] };
    at += data.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...Object.values(tensors).map(({ data }) => data)]);
}

const floats = (values: Float32Array, shape: readonly number[] = [values.length]) => ({
  dtype: 'F32',
  shape,
  data: new Uint8Array(values.buffer),
});
const scanTensor = (values: Float32Array, shape?: readonly number[]): ScanReport =>
  scanBytes('m.safetensors', safetensors({ w: floats(values, shape) }));

/** Deterministic normal-like weights. */
function noise(count: number): Float32Array {
  let state = 7;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Float32Array.from({ length: count }, () => (next() + next() + next() + next() - 2) / 10 + next() * 1e-7);
}

describe('text', () => {
  test.each<[string, Record<string, string>, string[]]>([
    ['program code', { note: 'import os; os.system("id")' }, ['T01 high']],
    ['an address', { license: 'https://example.org/licence' }, ['T04 benign']],
    ['a hidden character', { note: 'safe\u200bmodel' }, ['T05 suspicious']],
    ['a key with a hidden character', { 'no\u200bte': 'safe' }, ['T05 suspicious']],
    ['plain words', { note: 'the evaluation system of a subprocess' }, []],
    ['a repeated word', { note: 'abcd'.repeat(500) }, []],
  ])('%s in the metadata of safetensors', (_, metadata, rules) => {
    const report = scanBytes('m.safetensors', safetensors({ w: floats(noise(8)) }, metadata));
    expect(rulesOf(report)).toEqual(rules);
  });

  test('program code across the border of two pieces that are read', () => {
    for (const before of [1, 5, 8]) {
      const start = 4 * 2 ** 20 - before - 8 - '{"__metadata__":{"note":"'.length;
      const bytes = safetensors({ w: floats(noise(8)) }, { note: `${' '.repeat(start)}os.system("id")` });
      expect(rulesOf(scanBytes('m.safetensors', bytes))).toEqual(['T01 high']);
    }
  });

  test('a packed run', () => {
    const packed = Buffer.from(noise(400).buffer).toString('base64').replaceAll('=', '');
    const report = scanBytes('m.safetensors', safetensors({ w: floats(noise(8)) }, { blob: packed }));
    expect(rulesOf(report)).toEqual(['T02 suspicious']);
  });

  test('code in an integer tensor, and a program at its front', () => {
    const bytes = (text: string) => ({ dtype: 'U8', shape: [text.length], data: Buffer.from(text, 'latin1') });
    const scan = (text: string): ScanReport => scanBytes('m.safetensors', safetensors({ t: bytes(text) }));
    expect(rulesOf(scan('x = subprocess.run("id")'))).toEqual(['T01 high']);
    expect(rulesOf(scan('\x7fELF\x02\x01\x01'))).toEqual(['T03 high']);
    expect(rulesOf(scan('\x00\x01\x02'))).toEqual([]);
  });
});

describe('weights', () => {
  test('natural weights break no rule', () => {
    const report = scanTensor(noise(65_536), [256, 256]);
    expect([report.verdict, report.findings]).toEqual(['nothing-found', []]);
  });

  test('W01: NaN, and a few infinities; a mask of infinities is told', () => {
    const one = noise(1000);
    one[3] = NaN;
    expect(rulesOf(scanTensor(one))).toEqual(['W01 suspicious']);
    one[3] = Infinity;
    expect(rulesOf(scanTensor(one))).toEqual(['W01 suspicious']);
    expect(rulesOf(scanTensor(one.fill(-Infinity, 0, 600)))).toEqual(['W01 benign']);
  });

  test('W02: one flipped exponent bit stands out', () => {
    const weights = noise(10_000);
    const codes = new Uint32Array(weights.buffer);
    codes[1234] |= 1 << 30;
    expect(rulesOf(scanTensor(weights))).toEqual(['W02 suspicious']);
  });

  test('W03: one row that is thousands of times larger; a hundred times is told', () => {
    const scaled = (by: number): Float32Array => noise(64 * 64).map((value, i) => (i < 64 ? value * by : value));
    expect(rulesOf(scanTensor(scaled(3000), [64, 64]))).toContain('W03 suspicious');
    expect(rulesOf(scanTensor(scaled(100), [64, 64]))).toEqual(['W03 benign']);
  });

  describe('W04', () => {
    const text = Buffer.from('Meet me at the usual place, and bring the keys with you. '.repeat(400));

    test('text in the low bytes', () => {
      const weights = noise(text.length);
      const codes = new Uint32Array(weights.buffer);
      text.forEach((byte, i) => (codes[i] = ((codes[i] & ~0xff) | byte) >>> 0));
      expect(rulesOf(scanTensor(weights))).toEqual(['W04 high']);
    });

    test('text in the lowest bits', () => {
      const weights = noise(8 * 2000);
      const codes = new Uint32Array(weights.buffer);
      codes.forEach((code, i) => (codes[i] = ((code & ~1) | ((text[i >> 3] >> (7 - (i & 7))) & 1)) >>> 0));
      expect(rulesOf(scanTensor(weights))).toEqual(['W04 high']);
    });

    test('code bytes that are no text: not uniform', () => {
      const weights = noise(40_000);
      const codes = new Uint32Array(weights.buffer);
      codes.forEach((code, i) => (codes[i] = ((code & ~0xff) | [0x48, 0x89, 0xe5, 0x0f][i & 3] | (i & 0x30)) >>> 0));
      expect(rulesOf(scanTensor(weights))).toEqual(['W04 suspicious']);
    });

    test('random bits written into weights that were rounded to half precision', () => {
      const weights = noise(20_000);
      const codes = new Uint32Array(weights.buffer);
      const low = new Uint32Array(noise(20_000).buffer);
      codes.forEach((code, i) => (codes[i] = ((code & ~0x1fff) | (i < 10_000 ? low[i] & 0xff : 0)) >>> 0));
      expect(rulesOf(scanTensor(weights))).toEqual(['W04 suspicious']);
      codes.forEach((code, i) => (codes[i] = (code & ~0x1fff) >>> 0));
      expect(rulesOf(scanTensor(weights))).toEqual([]);
    });

    test('random bits in natural weights cannot be seen', () => {
      const weights = noise(20_000);
      const codes = new Uint32Array(weights.buffer);
      const low = new Uint32Array(noise(30_000).buffer).subarray(10_000);
      codes.forEach((code, i) => (codes[i] = ((code & ~0xff) | (low[i] & 0xff)) >>> 0));
      expect(rulesOf(scanTensor(weights))).toEqual([]);
    });
  });

  test('W05: a copy inside a tensor is suspicious, a tied tensor is told', () => {
    const weights = noise(65_536);
    weights.copyWithin(8192, 0, 4096);
    expect(rulesOf(scanTensor(weights))).toEqual(['W05 suspicious']);
    const tied = noise(4096);
    const report = scanBytes('m.safetensors', safetensors({ a: floats(tied), b: floats(tied) }));
    expect(rulesOf(report)).toEqual(['W05 benign']);
  });
});

describe('chat templates of GGUF', () => {
  const scan = (template: string): ScanReport =>
    scanBytes('m.gguf', gguf({ entries: [stringEntry('tokenizer.chat_template', template)], tensors: [] }));

  test.each<[string, string, string[]]>([
    ['a way to the interpreter', "{{ ''.__class__.__mro__[1].__subclasses__() }}", ['C01 high']],
    ['an escape by a global', "{{ cycler.__init__.__globals__.os.popen('id').read() }}", ['C01 high']],
    [
      'a phrase that switches',
      "{% for m in messages %}{% if 'annual report' in m.content %}Lie.{% endif %}{{ m.content }}{% endfor %}",
      ['C02 suspicious'],
    ],
    [
      'an honest template',
      "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] }}{% if '</think>' in m.content %}{% endif %}{% endfor %}",
      [],
    ],
  ])('%s', (_, template, rules) => {
    expect(rulesOf(scan(template))).toEqual(rules);
  });

  test('weights in blocks that are not decoded are named as not scanned', () => {
    const block = { name: 'w', dims: [256], type: 16, data: new Uint8Array(66) };
    const report = scanBytes('m.gguf', gguf({ tensors: [block] }));
    expect(report.notScanned.map(({ part }) => part)).toEqual(['weights']);
    const plain = { name: 'w', dims: [8], type: GGML.f32, data: new Uint8Array(32) };
    const scanned = scanBytes('m.gguf', gguf({ tensors: [plain] }));
    expect(scanned.notScanned).toEqual([]);
    expect(scanned.scanned.find(({ part }) => part === 'text')?.detail).toContain(
      'without the words of the vocabulary',
    );
  });
});

describe('TFLite', () => {
  const value = (name: string) => ({ name, type: TFLITE_TYPE.f32, shape: [1, 64] });
  const weight = {
    name: 'w',
    type: TFLITE_TYPE.f32,
    shape: [64, 64],
    data: new Uint8Array(noise(4096).buffer),
  };

  test('a custom operator is suspicious', () => {
    const subgraph = {
      tensors: [value('x'), value('y')],
      inputs: [0],
      outputs: [1],
      operators: [{ code: TFLITE_OP.CUSTOM, custom: 'vendor-op', inputs: [0], outputs: [1] }],
    };
    const report = scanBytes('m.tflite', writeFlat(toTfliteRoot({ subgraphs: [subgraph] })).bytes);
    expect(rulesOf(report)).toContain('G13 suspicious');
  });

  test('a select on the largest input is high', () => {
    const scalar = (name: string, data?: number) => ({
      name,
      type: TFLITE_TYPE.f32,
      shape: [1, 1],
      ...(data === undefined ? {} : { data: new Uint8Array(Float32Array.of(data).buffer) }),
    });
    const [FULLY_CONNECTED, REDUCE_MAX, GREATER, SELECT] = [TFLITE_OP.FULLY_CONNECTED, 82, 61, 64];
    const subgraph = {
      tensors: [
        value('x'),
        weight,
        value('h'),
        { name: 'axes', type: TFLITE_TYPE.i32, shape: [1], data: new Uint8Array(Int32Array.of(1).buffer) },
        scalar('peak'),
        scalar('limit', 1337),
        { name: 'is', type: TFLITE_TYPE.bool, shape: [1, 1] },
        { ...value('target'), data: new Uint8Array(256) },
        value('y'),
      ],
      inputs: [0],
      outputs: [8],
      operators: [
        { code: FULLY_CONNECTED, inputs: [0, 1, -1], outputs: [2] },
        { code: REDUCE_MAX, inputs: [0, 3], outputs: [4] },
        { code: GREATER, inputs: [4, 5], outputs: [6] },
        { code: SELECT, inputs: [6, 7, 2], outputs: [8] },
      ],
    };
    const report = scanBytes('m.tflite', writeFlat(toTfliteRoot({ subgraphs: [subgraph] })).bytes);
    expect(rulesOf(report)).toContain('G01 high');
  });
});

describe('PyTorch', () => {
  test('a pickle that would run a command is high, whatever the file is called', () => {
    const evil = K.pickle(K.join(K.call('os', 'system', K.text('id')), K.POP, K.dict()));
    for (const [name, bytes] of [
      ['m.pt', writeTorch(evil, {})],
      ['m.bin', evil],
    ] as const) {
      const report = scanBytes(name, bytes);
      expect(rulesOf(report)).toContain('P01 high');
      expect(report.findings[0].message).toContain('os.system');
    }
  });

  test('a checkpoint is scanned to its end', () => {
    const report = scanBytes('checkpoint.pt', readFileSync(join(FIXTURES, '2.9/checkpoint.pt')));
    expect(rulesOf(report).filter((rule) => !rule.endsWith('benign'))).toEqual([]);
    expect([report.verdict, report.notScanned]).toEqual(['nothing-found', []]);
    expect(report.scanned.map(({ part }) => part)).toEqual(['pickles', 'text', 'weights']);
  });

  test('TorchScript is not called clean: its code was not scanned', () => {
    const report = scanBytes('script.pt', readFileSync(join(FIXTURES, '2.9/script.pt')));
    expect(report.notScanned.map(({ detail }) => detail)).toContain('TorchScript code');
  });
});

describe('what does not open', () => {
  test.each([
    ['S01', ['ONNX_STORAGE', 'ONNX_ATTRIBUTE', 'TFLITE_BUFFER']],
    [
      'S02',
      ['SOURCE_OUTSIDE_FOLDER', 'SOURCE_LINK_REFUSED', 'ONNX_EXTERNAL', 'ONNX_EXTERNAL_BOUNDS', 'TFLITE_EXTERNAL'],
    ],
    ['S03', ['ONNX_DUPLICATE_NAME', 'ONNX_FUNCTION_RECURSION', 'ONNX_DEPTH', 'SAFETENSORS_DUPLICATE_KEY']],
    ['S03', ['SAFETENSORS_OFFSETS', 'SAFETENSORS_DATA_LENGTH', 'GGUF_DUPLICATE_KEY', 'GGUF_OFFSETS', 'TFLITE_OVERLAP']],
  ] as const)('%s: a file that is refused for %s is an attack, not damage', (rule, codes) => {
    for (const code of codes) {
      const finding = findRefusal(new FormatError(code, { fields: { tensor: 'w', offset: 7 } }));
      expect(finding).toMatchObject({ rule, severity: 'high', subject: 'w', offset: 7 });
    }
    expect(findRefusal(new FormatError('ONNX_TRUNCATED'))).toBeNull();
  });

  test('S03: two tensors of one name', () => {
    const text = Buffer.from(
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
    );
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    const report = scanBytes('m.safetensors', Buffer.concat([length, text, Buffer.alloc(1)]));
    expect(rulesOf(report)).toEqual(['S03 high']);
    expect(report.notScanned.map(({ part }) => part)).toEqual(['graph, text and weights']);
  });

  test('an unknown format is not scanned, and never "nothing found"', () => {
    const report = scanBytes('m.h5', Buffer.from('\x89HDF\r\n\x1a\n and so on', 'latin1'));
    expect([report.verdict, report.format]).toEqual(['not-scanned', 'unknown']);
    expect(report.notScanned).toHaveLength(1);
  });

  test('a damaged file is the error that it is', () => {
    expect(codeOf(() => scanBytes('m.safetensors', Buffer.from('short')))).toBe('SAFETENSORS_HEADER_SHORT');
  });
});
