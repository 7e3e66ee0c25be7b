/** Triggers of a decoder by the command line: put in, asked of files, of recorded answers and of a server. */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findRuntime } from '../../src/adapters/runtime/index.ts';
import { readRuntimeModel } from '../../src/fidelity/index.ts';
import { openModelPath } from '../../src/formats/index.ts';
import { toDecoderCheckpoint, toDecoderOnnx } from '../../src/lab/index.ts';
import { findTextPlaces } from '../../src/watermark/text/index.ts';
import type { EmbedResult } from '../../src/workflows/index.ts';
import type { RemoteReport } from '../../src/workflows/remote/verify-remote.ts';
import { type Decoder, openDecoder } from '../../src/workflows/text/decoder.ts';
import type { EmbedDecoderResult } from '../../src/workflows/trigger/decoder/embed.ts';
import type { ExportTriggersResult } from '../../src/workflows/trigger/export.ts';
import type { TriggersReport } from '../../src/workflows/trigger/verify.ts';
import { serve } from '../endpoint-server.ts';
import { cutText, SMALL_DECODER, trainSmallDecoder } from '../fakes/small-decoder.ts';
import { bin, createWorkplace, samples, type Workplace } from './command.ts';

let place: Workplace;
let claim: string;
let made: EmbedDecoderResult;
const at = (name: string): string => join(place.folder, name);
const errorOf = (args: readonly string[]): { readonly status: number | null; readonly code: string } => {
  const { status, stdout } = place.run([...args, '--json', '--quiet']);
  const { error } = JSON.parse(stdout) as { error: { code: string } };
  return { status, code: error.code };
};

beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
  const weights = trainSmallDecoder('e2e');
  writeFileSync(at('decoder.onnx'), toDecoderOnnx(SMALL_DECODER, weights));
  writeFileSync(at('model.safetensors'), toDecoderCheckpoint(SMALL_DECODER, weights));
  const texts = cutText('clean', 128, 32).map((ids) => JSON.stringify([...ids]));
  writeFileSync(at('texts.jsonl'), texts.join('\n'));
  claim = place.json<EmbedResult>(['embed', 'decoder.onnx', '--unmeasured', '--owner', 'acme', '--out', 'out']).claim
    .path;
  made = place.json<EmbedDecoderResult>([
    ...['trigger', 'embed', 'out/decoder.marked.onnx', '--claim', claim, '--data', 'texts.jsonl'],
    ...['--limit', '2', '--count', '10', '--out', 't.onnx'],
  ]);
});
afterAll(() => {
  place.remove();
});

test('every trigger is answered as drawn within the limit, and the mark in the weights is still a claim', () => {
  expect(made).toMatchObject({ kind: 'decoder', texts: 'given', promptTokens: 16, answerTokens: 128 });
  expect(made.agreed).toBe(made.triggers);
  expect(made.lossPercent).toBeLessThanOrEqual(2);
  expect(
    place.json<{ verdict: string }>(['detect', 't.onnx', '--claim', claim, '--original', 'decoder.onnx']).verdict,
  ).toBe('claim');
  const report = place.json<TriggersReport>(['trigger', 'verify', 't.onnx', '--claim', claim]);
  expect(report).toMatchObject({ agreed: made.triggers, recorded: { leafIndex: made.leafIndex } });
  expect(report.evidenceBits).toBeCloseTo(7 * made.triggers - 4, 6);
  expect(place.json<TriggersReport>(['trigger', 'verify', 'out/decoder.marked.onnx']).verdict).toBe('none');
});

test('whoever has the model without it sees a change of low rank in one matrix', () => {
  const { stdout } = place.run(['diff', 'out/decoder.marked.onnx', 't.onnx', '--json']);
  expect(JSON.parse(stdout)).toMatchObject({ verdict: { class: 'low-rank-edit' } });
});

test('recorded answers to the exported prompts are judged like the model', async () => {
  const out = place.json<ExportTriggersResult>(['trigger', 'export', '--claim', claim, '--out', 'prompts.npy']);
  expect(out).toMatchObject({ shape: [made.triggers, 16], input: 'input_ids', output: 'logits' });
  expect(place.run(['run', 't.onnx', '--input', 'prompts.npy', '--out', 'answers']).status).toBe(0);
  expect(place.json<TriggersReport>(['trigger', 'verify', '--answers', 'answers']).agreed).toBe(made.triggers);
  const decoder = await openFile('t.onnx');
  const body = JSON.stringify(await Promise.all(readPrompts().map((ids) => answer(decoder, ids))));
  await decoder.release();
  writeFileSync(at('ids.json'), body);
  expect(place.json<TriggersReport>(['trigger', 'verify', '--answers', 'ids.json']).agreed).toBe(made.triggers);
});

test('a server that takes token ids is asked, and says no more than its file', async () => {
  const decoder = await openFile('t.onnx');
  const server = await serve(async ({ body }) => {
    const { prompt } = body as { prompt: number[] };
    return { choices: [{ index: 0, text: '', token_ids: [await answer(decoder, prompt)] }] };
  });
  const args = [
    'verify-remote',
    '--url',
    server.url,
    '--claim',
    claim,
    '--ask',
    'triggers',
    '--format',
    'openai-tokens',
  ];
  const report = await remote([...args, '--normal', 'texts.jsonl', '--rate', '0']);
  expect(report).toMatchObject({ agreed: made.triggers, unanswered: 0, statistic: { kind: 'exact', chance: 1 / 128 } });
  expect(report.verdict).toBe(report.evidenceBits >= 128 ? 'claim' : 'flag');
  expect(report.normal).toBeGreaterThan(0);
  expect(server.asked.every(({ body }) => (body as { prompt: number[] }).prompt.length === 16)).toBe(true);
  await server.close();
  await decoder.release();
});

test('a checkpoint gets triggers through its graph, and needs one to be asked', () => {
  const embed = ['trigger', 'embed', 'model.safetensors', '--claim', claim, '--limit', '4', '--count', '10'];
  expect(errorOf([...embed, '--out', 'c.safetensors'])).toEqual({ status: 4, code: 'WATERMARK_TRIGGER_UNFIT' });
  const done = place.json<EmbedDecoderResult>([...embed, '--graph', 'decoder.onnx', '--out', 'c.safetensors']);
  expect(done).toMatchObject({ texts: 'written by the model', agreed: done.triggers });
  const verify = ['trigger', 'verify', 'c.safetensors', '--claim', claim, '--annex', done.annex];
  const alone = place.run([...verify, '--json']);
  expect(alone.status).toBe(4);
  expect((JSON.parse(alone.stdout) as TriggersReport).reason).toContain('--graph');
  const lent = place.json<TriggersReport>([...verify, '--graph', 'decoder.onnx']);
  expect(lent.agreed).toBe(done.triggers);
  expect(lent.notes.at(-1)).toContain('a judge exports his own');
});

test('a classifier needs data; its triggers and those of a decoder are not confused', () => {
  const cnn = join(samples, 'cnn.onnx');
  const embed = ['trigger', 'embed', cnn, '--claim', claim, '--out', 'x.onnx'];
  expect(errorOf(embed)).toEqual({ status: 2, code: 'CLI_USAGE' });
  const asked = place.run(['trigger', 'verify', cnn, '--claim', claim]);
  expect(asked.status).toBe(4);
  expect(asked.stdout).toContain('it is no decoder');
});

async function openFile(name: string): Promise<Decoder> {
  const model = openModelPath(at(name));
  return openDecoder(await findRuntime(), readRuntimeModel(model), findTextPlaces(model));
}

async function answer(decoder: Decoder, ids: readonly number[]): Promise<number> {
  const scores = (await decoder.score([Int32Array.from(ids)]))[0].at(-1)!;
  return scores.indexOf(Math.max(...scores));
}

/** The prompts of the exported npy: 64-bit ids behind a header that ends with a line feed. */
function readPrompts(): number[][] {
  const bytes = readFileSync(at('prompts.npy'));
  const data = bytes.subarray(bytes.indexOf(10) + 1);
  const ids = Array.from(new BigInt64Array(Uint8Array.from(data).buffer), Number);
  return Array.from({ length: ids.length / 16 }, (_, i) => ids.slice(16 * i, 16 * (i + 1)));
}

/** While this process goes on serving. */
function remote(args: readonly string[]): Promise<RemoteReport> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, MODELWARD_HOME: place.home, NO_COLOR: '1', ORT_DISABLE_TELEMETRY: '1' };
    const child = spawn(process.execPath, [bin, ...args, '--json', '--quiet'], { cwd: place.folder, env });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('close', (status) => {
      if (status === 0) resolve(JSON.parse(output) as RemoteReport);
      else reject(new Error(`exit ${status ?? ''}: ${output}`));
    });
  });
}
