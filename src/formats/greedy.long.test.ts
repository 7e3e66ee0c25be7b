import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import * as G from '../../test/formats/gguf.ts';
import { toCrowdedGguf } from '../../test/formats/mutate-gguf.ts';
import { toFile } from '../../test/formats/mutate-safetensors.ts';
import * as K from '../../test/formats/pickle.ts';
import * as P from '../../test/formats/proto.ts';
import { writeTorch, writeZip } from '../../test/formats/zip.ts';
import type { ErrorCode } from '../core/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'modelward-greedy-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const repeat = (count: number, part: (i: number) => P.Part): P.Part =>
  new Uint8Array(Buffer.concat(Array.from({ length: count }, (_, i) => part(i))));
const attribute = (name: string): P.Part => P.attribute(name, 2, P.int(3, 1));
const text = (...parts: (string | Buffer)[]): Uint8Array =>
  toFile(Buffer.concat(parts.map((part) => Buffer.from(part))), new Uint8Array(0));

const toMembers = (count: number): string => Array.from({ length: count }, (_, i) => `"${i}":""`).join(',');

const NOTHING = new Uint8Array(0);
/** A list of 100,000 items, copied by a thousand calls of twelve bytes. */
const COPIES = K.join(
  K.global('builtins', 'list'),
  K.put(0),
  K.raw(`0(${'N'.repeat(100_000)}l\x85`),
  K.put(1),
  ...Array.from({ length: 1000 }, () => K.join(K.get(0), K.get(1), K.REDUCE)),
);

/** Files whose index would take many times their size. */
const GREEDY: readonly (readonly [string, ErrorCode, () => Uint8Array])[] = [
  [
    'attributes.onnx',
    'ONNX_BUDGET',
    () =>
      P.model(
        P.node(
          'X',
          [],
          [],
          repeat(600_000, (i) => attribute(String(i))),
        ),
      ),
  ],
  ['nodes.onnx', 'ONNX_BUDGET', () => P.model(repeat(1_000_000, () => P.node('', [], [])))],
  [
    'tensors.onnx',
    'ONNX_BUDGET',
    () => P.model(repeat(250_000, (i) => P.initializer(P.tensor(`w${i}`, 10, [1], P.int(5, 1))))),
  ],
  [
    'graphs.onnx',
    'ONNX_BUDGET',
    () => P.model(repeat(250_000, (i) => P.node('If', [], [`y${i}`], P.attribute('b', 5, P.len(6))))),
  ],
  [
    'functions.onnx',
    'ONNX_BUDGET',
    () =>
      P.model(
        P.str(2, 'g'),
        repeat(250_000, (i) => P.len(25, P.str(1, `f${i}`))),
      ),
  ],
  [
    'entries.onnx',
    'ONNX_BUDGET',
    () =>
      P.model(
        P.str(2, 'g'),
        repeat(2_000_000, () => P.len(14)),
      ),
  ],
  [
    'ints.onnx',
    'ONNX_BUDGET',
    () =>
      P.model(
        P.node(
          'X',
          [],
          [],
          P.attribute(
            'a',
            7,
            repeat(6_000_000, () => P.int(8, 1)),
          ),
        ),
      ),
  ],
  ['members.safetensors', 'SAFETENSORS_METADATA', () => text('{"__metadata__":{', toMembers(3_000_000), '}}')],
  [
    'string.safetensors',
    'SAFETENSORS_METADATA',
    () => text('{"__metadata__":{"a":"', Buffer.alloc(99_000_000, 'é'), '"}}'),
  ],
  ['tensors.gguf', 'GGUF_BUDGET', () => toCrowdedGguf()],
  [
    'strings.gguf',
    'GGUF_BUDGET',
    () => {
      const long = new Uint8Array(16_000_000).fill(0x61);
      return G.gguf({ entries: Array.from({ length: 5 }, (_, i) => G.entry(`k${i}`, G.TYPE.string, G.text(long))) });
    },
  ],
  [
    'words.gguf',
    'GGUF_ARRAY',
    () => G.gguf({ entries: [G.arrayEntry('words', G.TYPE.string, 17_000_000, new Uint8Array(8 * 17_000_000))] }),
  ],
  ['lists.pt', 'PYTORCH_PICKLE_BUDGET', () => writeTorch(K.pickle(K.raw(']'), K.raw(']a'.repeat(4_000_000))), {})],
  ['marks.pt', 'PYTORCH_PICKLE_BUDGET', () => writeTorch(K.pickle(K.raw('('.repeat(9_000_000))), {})],
  ['copies.pt', 'PYTORCH_PICKLE_BUDGET', () => writeTorch(K.pickle(COPIES), {})],
  [
    'members.pt',
    'PYTORCH_LAYOUT',
    () =>
      writeZip(
        Array.from({ length: 149_000 }, (_, i) => ({ name: `m/data/${i}`, content: NOTHING, descriptor: 0 as const })),
      ),
  ],
];

/** Opens a file in a process of its own, and prints the outcome and the peak of memory before and after. */
const SCRIPT = `
  import { readFileSync } from 'node:fs';
  import { openModelPath } from ${JSON.stringify(resolve(import.meta.dirname, 'registry.ts'))};
  const peakMib = () => Number(/VmHWM:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;
  const before = peakMib();
  let code = 'ok';
  try { openModelPath(process.argv[1]); } catch (error) { code = error.code; }
  console.log(JSON.stringify({ code, grownMib: peakMib() - before }));
`;

describe.skipIf(process.platform !== 'linux')('greedy files', () => {
  test.each(GREEDY)('%s is refused with %s before it takes 300 MiB', (name, code, make) => {
    const path = join(folder, name);
    writeFileSync(path, make());
    const args = ['--import', 'tsx', '--input-type=module', '-e', SCRIPT, path];
    const result = JSON.parse(execFileSync(process.execPath, args).toString()) as { code: string; grownMib: number };
    expect(result.code).toBe(code);
    expect(result.grownMib).toBeLessThan(300);
  });
});
