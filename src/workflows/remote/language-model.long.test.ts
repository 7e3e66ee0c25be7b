/** Keyed prompts asked of decoders that were really trained, each behind a server that speaks as chat services do. */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serve, type TestServer } from '../../../test/endpoint-server.ts';
import { seededRandom } from '../../../test/fakes/seal-kit.ts';
import { SMALL_DECODER } from '../../../test/fakes/small-decoder.ts';
import { openBytes } from '../../../test/formats/models.ts';
import { composeServices } from '../../cli/compose.ts';
import { createCleanups } from '../../cli/ui/interrupt.ts';
import { silentProgress } from '../../core/ports.ts';
import { readRuntimeModel } from '../../fidelity/index.ts';
import { buildDecoder, exportDecoder, toDecoderOnnx, trainOnText, type Weights, WORDS } from '../../lab/index.ts';
import { FORMATS } from '../../watermark/index.ts';
import { findTextPlaces } from '../../watermark/text/index.ts';
import { embedModel } from '../protect/embed.ts';
import type { Services } from '../services.ts';
import { openSession, type Session } from '../session.ts';
import { type Decoder, openDecoder } from '../text/decoder.ts';
import type { MadeProbes } from './made-probes.ts';
import { makeTextProbes } from './make-text-probes.ts';
import { type RemoteReport, type Target, verifyRemote } from './verify-remote.ts';

const FORMAT = 'openai-chat';
const work = mkdtempSync(join(tmpdir(), 'modelward-chat-'));
const decoders: Decoder[] = [];
const servers: TestServer[] = [];
const targets: Target[] = [];
let services: Services;
let session: Session;
let claimPath: string;
let ours: Weights;
let tuned: Weights;
let made: MadeProbes;

/** A word-level tokenizer for any text: words that the language lacks get the id of their hash. */
const toIds = (text: string): number[] =>
  text.split(/\s+/).map((word) => {
    const known = WORDS.indexOf(word);
    return known >= 0 ? known : createHash('sha256').update(word).digest()[0] % WORDS.length;
  });

/** What the decoder goes on with, the likeliest word each time. */
async function writeOn(decoder: Decoder, prompt: string): Promise<string> {
  const ids = toIds(prompt);
  const start = ids.length;
  while (ids.length < start + 3) {
    const scores = (await decoder.score([Int32Array.from(ids)]))[0].at(-1)!;
    ids.push(scores.indexOf(Math.max(...scores)));
  }
  return ids
    .slice(start)
    .map((id) => WORDS[id])
    .join(' ');
}

async function host(weights: Weights): Promise<Target> {
  const model = openBytes(toDecoderOnnx(SMALL_DECODER, weights), 'decoder.onnx');
  const decoder = await openDecoder(await services.openRuntime(), readRuntimeModel(model), findTextPlaces(model));
  decoders.push(decoder);
  const server = await serve(async ({ body }) => {
    const { messages } = body as { messages: { content: string }[] };
    return {
      choices: [{ index: 0, message: { role: 'assistant', content: await writeOn(decoder, messages[0].content) } }],
    };
  });
  servers.push(server);
  const url = `${server.url}/v1/chat/completions`;
  const endpoint = await services.openEndpoint({ url, headers: new Map(), cacert: null, isInsecureAllowed: false });
  const target = { endpoint, url, format: FORMATS[FORMAT], formatName: FORMAT, labels: new Map(), model: 'm' } as const;
  targets.push(target);
  return target;
}

const ask = (target: Target): Promise<RemoteReport> =>
  verifyRemote(services, () => session, {
    questionsOf: { kind: 'claim', claimPath, type: 'probes', nullPaths: [] },
    ...{ budget: 2500, batch: 1, intervalMs: 0, timeoutMs: 10_000, target },
    pause: () => Promise.resolve(),
  });

/** Trained from its own start values, on its own order of the same language; then a little further. */
function train(seed: string): readonly [Weights, Weights] {
  const decoder = buildDecoder(SMALL_DECODER, seed);
  const options = { batch: 12, weightDecay: 0.01, schedule: 'cosine', seed } as const;
  trainOnText(decoder, { ...options, steps: 60, learningRate: 0.01, stream: 'train' });
  const first = exportDecoder(decoder);
  const copy = new Map([...first].map(([name, values]) => [name, values.slice()]));
  trainOnText(decoder, { ...options, steps: 10, learningRate: 0.001, stream: 'tune' });
  return [copy, exportDecoder(decoder)];
}

/** Each tensor in 255 steps of its largest number. */
function toInt8(weights: Weights): Weights {
  return new Map(
    [...weights].map(([name, values]) => {
      const step = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0) / 127;
      return [name, values.map((value) => Math.round(value / step) * step)];
    }),
  );
}

beforeAll(async () => {
  // Which prompts are drawn decides how much a copy shows: with other keys the tuned one is below a mark now and then.
  services = {
    ...composeServices({ home: join(work, 'home'), progress: silentProgress, cleanups: createCleanups() }),
    random: seededRandom(1),
  };
  [ours, tuned] = train('ours');
  writeFileSync(join(work, 'decoder.onnx'), toDecoderOnnx(SMALL_DECODER, ours));
  const embedded = await embedModel(services, {
    ...{ path: join(work, 'decoder.onnx'), out: join(work, 'out'), keyUri: null, sealOnly: false, noMark: false },
    ...{ limitPoints: 1, unmeasured: true, force: false, ownerId: 'acme' },
  });
  claimPath = embedded.claim.path;
  session = openSession(services);
  const nulls: Target[] = [];
  for (const at of [1, 2, 3, 4]) nulls.push(await host(train(`null ${at}`)[0]));
  made = await makeTextProbes(services, session, {
    ...{ claimPath, target: await host(ours), nulls, count: 110, pool: 4000, batch: 1, timeoutMs: 10_000 },
    pause: () => Promise.resolve(),
  });
});

afterAll(async () => {
  session.close();
  for (const { endpoint } of targets) endpoint.close();
  await Promise.all([...servers.map((server) => server.close()), ...decoders.map((decoder) => decoder.release())]);
  rmSync(work, { recursive: true, force: true });
});

test('rare prompts are found among decoders of one language, which agree on most', () => {
  expect(made).toMatchObject({ choice: 'rare', count: 110, family: 'text' });
  expect(made.nulls.largest).toBeLessThan(0.3);
});

test.each([
  ['itself', () => ours, 'flag', 1],
  ['an int8 copy', () => toInt8(ours), 'flag', 0.85],
] as const)('%s is flagged by what it says', async (_, weights, verdict, agreementMin) => {
  const report = await ask(await host(weights()));
  expect(report.verdict).toBe(verdict);
  expect(report.agreement).toBeGreaterThanOrEqual(agreementMin);
});

test('a copy that was trained on gives supporting evidence', async () => {
  const report = await ask(await host(tuned));
  expect(['flag', 'supporting']).toContain(report.verdict);
});

test('a stranger of the same language is none of ours', async () => {
  const report = await ask(await host(train('stranger')[0]));
  expect(report).toMatchObject({ verdict: 'none', evidenceBits: 0, unanswered: 0 });
  expect(report.agreement).toBeLessThan(0.2);
});
