/** Every command of docs/watermarks.md is run in its order on the bundled samples, and ends well. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openWebRuntime } from '../src/adapters/runtime/index.ts';
import { readRuntimeModel } from '../src/fidelity/index.ts';
import { openModelPath } from '../src/formats/index.ts';
import { createModelSpec, exportWeights, generateGlyphs, toDecoderOnnx, toOnnx, trainModel } from '../src/lab/index.ts';
import { createBigrams, writeWith } from './bigrams.ts';
import { createWorkplace, root, samples, type Workplace } from './e2e/command.ts';
import { plainHandler, serve, type TestServer } from './endpoint-server.ts';
import { SMALL_DECODER, trainSmallDecoder } from './fakes/small-decoder.ts';
import { toCheckpoint, toLlamaGguf } from './formats/llama.ts';
import { runPlan } from './formats/models.ts';

const guide = readFileSync(join(root, 'docs/watermarks.md'), 'utf8');

/** The address that the guide shows. */
const SHOWN_URL = 'http://127.0.0.1:8080/predict';

interface Example {
  readonly section: string;
  readonly line: string;
}

const examples = guide
  .split(/^## /m)
  .slice(1)
  .flatMap((part): Example[] => {
    const section = part.split('\n')[0];
    const blocks = [...part.matchAll(/^```sh\n([\s\S]*?)^```/gm)];
    return blocks.flatMap(([, text]) => text.trimEnd().split('\n')).map((line) => ({ section, line }));
  });

let place: Workplace;
let server: TestServer | undefined;
const at = (name: string): string => join(place.folder, name);

/** What the reader has beside the samples, made when the line comes that needs it. */
const OWN_FILES: Readonly<Record<string, () => Promise<void> | void>> = {
  'my.claim.json': () => {
    const name = readdirSync(join(place.home, 'claims')).find((file) => /^mlp.*\.claim\.json$/.test(file));
    cpSync(join(place.home, 'claims', name ?? ''), at('my.claim.json'));
  },
  'cnn.claim.json': () => {
    const copy = (folder: string, pattern: RegExp, name: string): void => {
      const found = readdirSync(join(place.home, folder)).find((file) => pattern.test(file));
      cpSync(join(place.home, folder, found ?? ''), at(name));
    };
    copy('claims', /^cnn.*\.claim\.json$/, 'cnn.claim.json');
    copy('annexes', /\.recipient\..*\.annex\.json$/, 'acme.annex.json');
    copy('annexes', /\.recipient-name\.json$/, 'acme.name.json');
  },
  'other-1.onnx': () => {
    const few = generateGlyphs({ task: 'digits', stream: 'few', count: 1500 });
    for (const number of [1, 2, 3, 4]) {
      const weights = exportWeights(trainModel('mlp', `guide ${number}`, few));
      writeFileSync(at(`other-${number}.onnx`), toOnnx(createModelSpec('mlp'), weights));
    }
  },
  'decoder.onnx': () => {
    writeFileSync(at('decoder.onnx'), runPlan(createBigrams().plan([])));
  },
  'llm.onnx': () => {
    writeFileSync(at('llm.onnx'), toDecoderOnnx(SMALL_DECODER, trainSmallDecoder('guide')));
  },
  'essays.jsonl': async () => {
    const texts = await writeWith(openModelPath(at('decoder.marked.onnx')), 24);
    writeFileSync(at('essays.jsonl'), texts.map((text) => JSON.stringify([...text])).join('\n'));
  },
  'decoder/model.safetensors': () => {
    mkdirSync(at('decoder'), { recursive: true });
    writeFileSync(at('decoder/model.safetensors'), runPlan(toCheckpoint().plan([])));
  },
  'leaked.gguf': () => {
    const marked = openModelPath(at('decoder.owned/model.marked.safetensors'));
    writeFileSync(at('leaked.gguf'), runPlan(toLlamaGguf(marked, { dtype: 'q8_0' }).plan([])));
  },
};
const made = new Set<string>();

async function prepare(line: string): Promise<void> {
  for (const [name, make] of Object.entries(OWN_FILES)) {
    if (!line.includes(name) || made.has(name)) continue;
    await make();
    made.add(name);
  }
  if (!line.includes(SHOWN_URL)) return;
  const model = openModelPath(at('owned/mlp.marked.onnx'));
  server = await serve(plainHandler(await (await openWebRuntime()).load(readRuntimeModel(model))));
  model.close();
}

beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
  mkdirSync(at('samples'));
  for (const name of ['mlp.onnx', 'cnn.onnx', 'eval.npz']) cpSync(join(samples, name), at(join('samples', name)));
});
afterAll(async () => {
  await server?.close();
  place.remove();
});

/** What the output of a line must say, beside ending with 0. */
const SAYS: readonly (readonly [RegExp, RegExp])[] = [
  [/^modelward detect/, /verdict: claim/],
  [/^modelward detect for-acme/, /acme/],
  [/^modelward recipients list/, /acme/],
  [/^modelward recipients verify/, /verdict: claim[\s\S]*recipient +acme/],
  [/^modelward lineage/, /derived/],
  [/^modelward verify-remote/, /verdict: flag/],
  [/^modelward trigger verify/, /verdict: (claim|flag|supporting)/],
  [/^modelward text detect/, /verdict: claim/],
  [/^modelward attack/, /prune/],
];

describe('the guide to the marks', () => {
  test('has an example in every section on a mark that is a command', () => {
    const sections = new Set(examples.map(({ section }) => section));
    expect(sections.size).toBeGreaterThanOrEqual(9);
    expect(examples.every(({ line }) => line.startsWith('modelward '))).toBe(true);
  });

  test.each(examples)('$section: $line', async ({ line }) => {
    await prepare(line);
    const words = line.replace(SHOWN_URL, server?.url ?? '').split(' ');
    // Beside, since the server is in this process.
    const { status, stdout, stderr } = await place.runBeside(words.slice(1));
    const output = stdout + stderr;
    expect(output).not.toContain('internal error');
    expect({ line, status, output: status === 0 ? '' : output }).toEqual({ line, status: 0, output: '' });
    for (const [command, words] of SAYS) if (command.test(line)) expect(output).toMatch(words);
  });
});
