/**
 * Probes made for a model, and end points of copies and strangers asked, over real HTTP on this machine. One long file,
 * because all of it shares one set of trained models, probes and strangers, which take longer to make than to ask.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { composeServices } from '../../cli/compose.ts';
import { createCleanups } from '../../cli/ui/interrupt.ts';
import type { Json } from '../../core/canonical-json.ts';
import { silentProgress } from '../../core/ports.ts';
import { readRuntimeModel } from '../../fidelity/index.ts';
import { openModelPath } from '../../formats/index.ts';
import {
  buildNetwork,
  createModelSpec,
  exportWeights,
  generateGlyphs,
  quantize,
  readWeights,
  toOnnx,
  trainModel,
  type Weights,
} from '../../lab/index.ts';
import type { RuntimeSession } from '../../model/runtime.ts';
import { ownerSeedBox, ownerSigner } from '../../sign/index.ts';
import {
  createAnnex,
  FORMATS,
  makeProbe,
  openProbePool,
  openSubSeed,
  type ProbeRecord,
  signAnnex,
} from '../../watermark/index.ts';
import {
  type Handler,
  oipHandler,
  plainHandler,
  score,
  serve,
  type TestServer,
} from '../../../test/endpoint-server.ts';
import { codeOfAsync } from '../../../test/error-code.ts';
import { readAnnex, recordAnnex } from '../annexes.ts';
import { readClaim } from '../claims.ts';
import { discloseSeed } from '../disclose.ts';
import { proveEntry } from '../ledger.ts';
import { toLedgerKey } from '../owner.ts';
import { embedModel } from '../protect/embed.ts';
import type { Services } from '../services.ts';
import { openSession, type Session } from '../session.ts';
import { askModel } from './ask-model.ts';
import { type MadeProbes, recordProbes } from './made-probes.ts';
import { makeProbes } from './make-probes.ts';
import { makeTextProbes } from './make-text-probes.ts';
import { openQuestions, type QuestionsOptions } from './question-sets.ts';
import { type RemoteReport, type Target, verifyRemote, type VerifyRemoteOptions } from './verify-remote.ts';

const samples = resolve(import.meta.dirname, '../../../samples');
const spec = createModelSpec('mlp');
const work = mkdtempSync(join(tmpdir(), 'modelward-remote-'));
let services: Services;
let session: Session;
let claimPath: string;
let markedPath: string;
let nullPaths: string[];
let judgePaths: string[];
let strangerPath: string;
let copyPath: string;
let made: MadeProbes;
/** A last layer with other classes. */
const SEVEN = { kind: 'dense', name: 'fc', inputs: 144, outputs: 7, layout: 'outIn' } as const;
const running: TestServer[] = [];
const sessions: RuntimeSession[] = [];

function store(name: string, weights: Weights): string {
  const path = join(work, name);
  writeFileSync(path, toOnnx(spec, weights));
  return path;
}

function open(path: string): Promise<RuntimeSession> {
  const model = openModelPath(path);
  return services
    .openRuntime()
    .then((runtime) => runtime.load(readRuntimeModel(model)))
    .then((opened) => {
      sessions.push(opened);
      model.close();
      return opened;
    });
}

function readAll(path: string): Map<string, Float32Array> {
  const model = openModelPath(path);
  try {
    return readWeights(model);
  } finally {
    model.close();
  }
}

async function start(handler: Handler): Promise<TestServer> {
  const server = await serve(handler);
  running.push(server);
  return server;
}

type AskOptions = Partial<Omit<VerifyRemoteOptions, 'questionsOf'> & QuestionsOptions> & {
  readonly format?: keyof typeof FORMATS;
};

async function ask(server: TestServer, more: AskOptions = {}): Promise<RemoteReport> {
  const { format = 'plain', ...rest } = more;
  const url = `${server.url}/predict`;
  const endpoint = await services.openEndpoint({ url, headers: new Map(), cacert: null, isInsecureAllowed: false });
  try {
    return await verifyRemote(services, () => session, {
      questionsOf: { kind: 'claim', claimPath, type: 'probes', nullPaths: [], ...rest },
      ...{ budget: 2500, batch: 50, intervalMs: 0, timeoutMs: 5000 },
      target: { endpoint, url, format: FORMATS[format], formatName: format, labels: new Map(), model: null },
      pause: () => Promise.resolve(),
      ...rest,
    });
  } finally {
    endpoint.close();
  }
}

beforeAll(async () => {
  services = composeServices({ home: join(work, 'home'), progress: silentProgress, cleanups: createCleanups() });
  const embedded = await embedModel(services, {
    ...{ path: join(samples, 'mlp.onnx'), out: join(work, 'out'), keyUri: null, sealOnly: false, noMark: false },
    ...{ limitPoints: 1, unmeasured: true, force: false, ownerId: 'acme' },
  });
  claimPath = embedded.claim.path;
  markedPath = join(work, 'out', readdirSync(join(work, 'out')).find((name) => name.endsWith('.onnx')) ?? '');
  session = openSession(services);
  const few = generateGlyphs({ task: 'digits', stream: 'few', count: 1500 });
  const strangers = Array.from({ length: 9 }, (_, at) =>
    store(`null-${at}.onnx`, exportWeights(trainModel('mlp', `null ${at}`, few))),
  );
  nullPaths = strangers.slice(0, 4);
  judgePaths = strangers.slice(4, 8);
  strangerPath = strangers[8];
  copyPath = store('int8.onnx', quantize(spec, readAll(markedPath), { bits: 8, granularity: 'tensor' }));
  made = await makeProbes(services, session, {
    ...{ modelPath: markedPath, claimPath, nullPaths, count: 300, pool: 6000, range: { low: 0, high: 1 } },
  });
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()));
});
afterAll(async () => {
  session.close();
  await Promise.all(sessions.map((one) => one.release()));
  rmSync(work, { recursive: true, force: true });
});

describe('probes make', () => {
  test('chooses rare probes with four null models, and tells how strangers agree on them', () => {
    expect(made).toMatchObject({ choice: 'rare', count: 300, pool: 6000, classes: 10, family: 'uniform' });
    expect(made.nulls.count).toBe(4);
    expect(made.nulls.largest).toBeLessThan(0.5);
    expect(made.chance).toBeGreaterThanOrEqual(made.nulls.largest);
  });
});

describe('verify-remote', () => {
  test('flags an int8 copy; probes travel among normal inputs in an order that is not theirs', async () => {
    const server = await start(plainHandler(await open(copyPath)));
    const report = await ask(server, { normalPath: join(samples, 'eval.npz'), batch: 1 });
    expect(report).toMatchObject({ verdict: 'flag', asked: 300, unanswered: 0, normal: 300, queries: 600 });
    expect(report.agreement).toBeGreaterThan(0.9);
    expect(report.recorded?.leafIndex).toBe(made.leafIndex);
    // Images are whole grey levels.
    const isProbe = server.asked.map(({ body }) =>
      (body as { inputs: number[][] }).inputs
        .flat(4)
        .some((value) => Math.abs(255 * value - Math.round(255 * value)) > 0.01),
    );
    const changes = isProbe.filter((one, at) => at > 0 && one !== isProbe[at - 1]).length;
    expect(isProbe.filter(Boolean)).toHaveLength(300);
    expect(changes).toBeGreaterThan(200);
  });

  test('a stranger is none of ours, and so is one that answers at random or always the same', async () => {
    const stranger = await start(plainHandler(await open(strangerPath)));
    expect(await ask(stranger)).toMatchObject({ verdict: 'none', unanswered: 0 });
    const constant = await start(({ body }) => ({ outputs: (body as { inputs: [] }).inputs.map(() => 3) }));
    expect((await ask(constant)).verdict).toBe('none');
    const random = await start(({ body }) => ({
      outputs: (body as { inputs: number[][] }).inputs.map((_, at) => at % 10),
    }));
    expect((await ask(random)).verdict).toBe('none');
  });

  test('speaks the Open Inference Protocol', async () => {
    const server = await start(oipHandler(await open(copyPath), made.output));
    expect(await ask(server, { format: 'oip' })).toMatchObject({ verdict: 'flag', queries: 300 });
    expect(server.asked).toHaveLength(6);
  });

  test('waits as long as a busy server asks, tries again, and counts every try', async () => {
    const session = await open(copyPath);
    const answer = plainHandler(session);
    const waits: number[] = [];
    const server = await start((asked, response, count) => {
      if (count % 3 !== 1) return answer(asked, response, count);
      response.writeHead(429, { 'retry-after': '3' }).end();
      return undefined;
    });
    const report = await ask(server, { pause: (ms) => Promise.resolve(void waits.push(ms)) });
    expect(report).toMatchObject({ verdict: 'flag', unanswered: 0, queries: 300 + 3 * 50 });
    expect(waits).toEqual([3000, 3000, 3000]);
  });

  test('never spends more than the budget; what was not reached counts against the evidence', async () => {
    const answer = plainHandler(await open(copyPath));
    const server = await start((asked, response, count) => {
      if (count % 2 === 0) return answer(asked, response, count);
      response.writeHead(503).end();
      return undefined;
    });
    const report = await ask(server, { budget: 220, batch: 10 });
    expect(server.asked.length * 10).toBeLessThanOrEqual(220);
    expect(report.queries).toBeLessThanOrEqual(220);
    expect(report.asked).toBe(215);
    expect(report.lacks.notAsked).toBeGreaterThan(80);
    expect(report.unanswered).toBe(report.lacks.notAsked);
    expect(report.evidenceBits).toBeLessThan(report.evidenceBitsOfAnswered);
  });

  test('refused, unreadable and missing answers count as disagreements, and are told apart', async () => {
    const session = await open(copyPath);
    const server = await start(async ({ body }, response, count) => {
      if (count % 10 === 0) {
        response.writeHead(422).end('{}');
        return undefined;
      }
      const outputs: unknown[] = await score(session, (body as { inputs: unknown[] }).inputs);
      return { outputs: count % 10 === 1 ? [['nothing']] : outputs };
    });
    const report = await ask(server, { batch: 1 });
    expect(report.lacks).toEqual({ refused: 30, malformed: 30, failed: 0, notAsked: 0 });
    expect(report.unanswered).toBe(60);
    expect(report.agreement).toBeCloseTo(report.agreed / 300, 12);
    expect(report.agreementOfAnswered).toBeGreaterThan(report.agreement);
    expect(report.evidenceBitsOfAnswered).toBeGreaterThan(report.evidenceBits);
  });

  test('cannot tell when most questions are refused', async () => {
    const server = await start((_asked, response, count) => {
      if (count % 20 === 0) return { outputs: [0] };
      response.writeHead(400).end();
      return undefined;
    });
    expect((await ask(server, { batch: 1 })).verdict).toBe('inconclusive');
  });

  test('an interrupted run goes on where it stopped, and asks nothing twice', async () => {
    const answer = plainHandler(await open(copyPath));
    const seen = new Set<string>();
    let isUp = true;
    const server = await start((asked, response, count) => {
      if (count === 100) isUp = false;
      if (!isUp) {
        response.destroy();
        return undefined;
      }
      seen.add(JSON.stringify(asked.body));
      return answer(asked, response, count);
    });
    const statePath = join(work, 'run.json');
    expect(await codeOfAsync(ask(server, { batch: 1, statePath }))).toBe('REMOTE_UNREACHABLE');
    expect(seen.size).toBe(99);
    expect(await codeOfAsync(ask(server, { batch: 1, statePath, questions: 200 }))).toBe('REMOTE_STATE_OF_ANOTHER_RUN');
    isUp = true;
    const asked = server.asked.length;
    const report = await ask(server, { batch: 1, statePath });
    expect(report).toMatchObject({ verdict: 'flag', isResumed: true, unanswered: 2 });
    expect(server.asked.length - asked).toBe(300 - 99 - 2);
    expect(existsSync(statePath)).toBe(false);
    writeFileSync(statePath, '{"v":1}');
    expect(await codeOfAsync(ask(server, { statePath }))).toBe('REMOTE_STATE_MALFORMED');
  });

  test.each([401, 403, 404])('status %d ends the run at once', async (status) => {
    const server = await start((_asked, response) => {
      response.writeHead(status).end();
      return undefined;
    });
    expect(await codeOfAsync(ask(server))).toBe('REMOTE_DENIED');
    expect(server.asked).toHaveLength(1);
  });

  test('stops after twenty answers that nobody can read, and keeps none of them', async () => {
    const html = await start(() => '<html>');
    expect(await codeOfAsync(ask(html, { batch: 1 }))).toBe('REMOTE_UNUSABLE');
    expect(html.asked).toHaveLength(20);
    expect(await codeOfAsync(ask(html, { batch: 1 }))).toBe('REMOTE_UNUSABLE');
    expect(html.asked).toHaveLength(40);
  });

  test('asks texts of nobody when the questions are tensors', async () => {
    const server = await start(() => ({}));
    expect(await codeOfAsync(ask(server, { format: 'openai-chat' }))).toBe('REMOTE_FORMAT_UNFIT');
    expect(server.asked).toHaveLength(0);
  });
});

describe('a judge', () => {
  const disclose = (purpose: 'probe' | 'own'): string => {
    const out = join(work, `seed-${purpose}-${counter++}.json`);
    discloseSeed(services, session, { claimPath, purpose, out });
    return out;
  };
  let counter = 0;

  test('asks with the disclosed probe seed alone; choice by the owner caps the verdict, own null models lift it', async () => {
    const server = await start(plainHandler(await open(copyPath)));
    const seedPath = disclose('probe');
    const annexPath = made.path;
    const first = await ask(server, { seedPath, annexPath });
    expect(first).toMatchObject({ verdict: 'supporting', recorded: null, leafIndex: null, areAnswersOurs: null });
    const path = join(work, 'flag.tlog-proof');
    writeFileSync(path, proveEntry(services, made.leafIndex).proof);
    const proof = { path, verifierKey: toLedgerKey(session.owner) };
    const given = { seedPath, annexPath, nullPaths: judgePaths, modelPath: markedPath, proof, before: '2099-01-01' };
    const own = await ask(server, given);
    expect(own).toMatchObject({ verdict: 'flag', areAnswersOurs: true });
    expect(own.statistic.nulls).toBe(4);
    for (const lack of ['before', 'proof', 'modelPath', 'nullPaths'] as const) {
      const less = {
        ...given,
        ...(lack === 'proof' && { before: undefined }),
        [lack]: lack === 'nullPaths' ? [] : undefined,
      };
      expect((await ask(server, less)).verdict).toBe('supporting');
    }
  });

  test('names the annex where the home has several', async () => {
    const { claim } = readClaim(services, claimPath);
    const { annex } = readAnnex(services, { path: made.path, claim, type: 'probes' });
    const body = { ...(annex.body as unknown as ProbeRecord), chance: 0.9 } as Json;
    await recordAnnex(services, session, { claim, type: 'probes', body, subject: 'second' });
    const server = await start(() => ({}));
    expect(await codeOfAsync(ask(server, { seedPath: disclose('probe') }))).toBe('REMOTE_ANNEXES_SEVERAL');
    expect(server.asked).toHaveLength(0);
  });

  test('sees by a proof of the ledger when the answers were recorded', async () => {
    const server = await start(plainHandler(await open(copyPath)));
    const path = join(work, 'annex.tlog-proof');
    writeFileSync(path, proveEntry(services, made.leafIndex).proof);
    const verifierKey = toLedgerKey(session.owner);
    const given = { seedPath: disclose('probe'), annexPath: made.path, proof: { path, verifierKey } };
    expect((await ask(server, given)).recorded?.leafIndex).toBe(made.leafIndex);
    expect(await codeOfAsync(ask(server, { ...given, before: '2020-01-01' }))).toBe('REMOTE_ANNEX_TOO_LATE');
    writeFileSync(path, proveEntry(services, 0).proof);
    expect(await codeOfAsync(ask(server, given))).toBe('REMOTE_ANNEX_NOT_RECORDED');
    const without = { seedPath: given.seedPath, annexPath: given.annexPath };
    expect(await codeOfAsync(ask(server, { ...without, before: '2099-01-01' }))).toBe('REMOTE_ANNEX_NOT_RECORDED');
  });

  test('needs the seed of the purpose', async () => {
    const server = await start(() => ({}));
    expect(await codeOfAsync(ask(server, { seedPath: disclose('own'), annexPath: made.path }))).toBe(
      'SEED_OF_ANOTHER_PURPOSE',
    );
  });
});

describe('annexes of the owner', () => {
  const read = () => {
    const { claim } = readClaim(services, claimPath);
    const { annex } = readAnnex(services, { path: made.path, claim, type: 'probes' });
    return { claim, body: annex.body as unknown as ProbeRecord };
  };
  const openNewest = () =>
    openQuestions(services, () => session, readClaim(services, claimPath), { type: 'probes', nullPaths: [] });

  test('the one that the ledger took in last is asked, whatever the files are called', async () => {
    const { claim, body } = read();
    for (const chance of [0.91, 0.92, 0.93, 0.94, 0.95]) {
      const given = { claim, type: 'probes' as const, body: { ...body, chance } as Json, subject: 'next' };
      const stored = await recordAnnex(services, session, given);
      const opened = await openNewest();
      opened.close();
      expect(opened.document.digest).toBe(stored.digest);
    }
    const unrecorded = createAnnex(claim, { type: 'probes', body: { ...body, chance: 0.96 } });
    const name = `${claim.commitment.digest.slice(0, 12)}.probes.ffffffffffff.annex.json`;
    const path = join(services.home.annexesFolder, name);
    writeFileSync(path, await signAnnex(unrecorded, ownerSigner(session.owner)));
    const opened = await openNewest();
    opened.close();
    rmSync(path);
    expect(opened.document.path).not.toBe(path);
  });

  test('closing zeroes the key: what is made afterwards is of the key 0', async () => {
    const { body } = read();
    const opened = await openQuestions(services, () => session, readClaim(services, claimPath), {
      ...{ type: 'probes', nullPaths: [], annexPath: made.path },
    });
    const before = opened.set.question(0);
    opened.close();
    expect(opened.set.question(0)).toEqual(makeProbe(new Uint8Array(32), body.plan, body.chosen?.[0] ?? 0));
    expect(opened.set.question(0)).not.toEqual(before);
  });

  test('too few probes, or a body that nobody could open, are refused before anything is recorded', async () => {
    const listed = () => readdirSync(services.home.annexesFolder).length;
    const before = listed();
    const given = { modelPath: markedPath, claimPath, nullPaths: [], pool: 64, range: { low: 0, high: 1 } };
    expect(await codeOfAsync(makeProbes(services, session, { ...given, count: 64 }))).toBe('PROBES_TOO_FEW');
    const { claim, body } = read();
    const record = { ...body, chosen: body.chosen?.slice(0, 64) ?? null };
    expect(await codeOfAsync(recordProbes(services, session, { claim, record, subject: 'few' }))).toBe(
      'WATERMARK_ANNEX_MALFORMED',
    );
    expect(listed()).toBe(before);
  });

  test('without null models the owner is warned, and full agreement accuses nobody', async () => {
    const plain = await makeProbes(services, session, {
      ...{ modelPath: markedPath, claimPath, nullPaths: [], count: 300, pool: 300, range: { low: 0, high: 1 } },
    });
    expect(plain.warnings.join(' ')).toContain('strangers of the same task may agree as often');
    const server = await start(plainHandler(await open(markedPath)));
    const report = await ask(server, { annexPath: plain.path });
    expect(report).toMatchObject({ verdict: 'inconclusive', agreement: 1 });
    expect(report.notes).toContain('No null models were recorded: strangers of the same task may agree as often.');
  });
});

describe('a malicious accuser', () => {
  const forge = async (change: (record: ProbeRecord) => unknown, record = true): Promise<string> => {
    const { claim } = readClaim(services, claimPath);
    const { annex } = readAnnex(services, { path: made.path, claim, type: 'probes' });
    const body = change(structuredClone(annex.body) as unknown as ProbeRecord) as Json;
    if (record) return (await recordAnnex(services, session, { claim, type: 'probes', body, subject: 'forged' })).path;
    const path = join(work, `forged-${Math.random()}.annex.json`);
    writeFileSync(path, await signAnnex(createAnnex(claim, { type: 'probes', body }), ownerSigner(session.owner)));
    return path;
  };
  const refusal = async (annexPath: string, more: AskOptions = {}): Promise<string> => {
    const server = await start(() => ({}));
    const code = await codeOfAsync(ask(server, { annexPath, ...more }));
    expect(server.asked).toHaveLength(0);
    return code;
  };

  test('cannot bring inputs of his own: there is no place for them, and answers to others are found out', async () => {
    const withInputs = await forge((record) => ({ ...record, inputs: [[0.5]] }));
    expect(await refusal(withInputs)).toBe('WATERMARK_TRIGGERS_CHOSEN');
    const fitted = await forge((record) => ({ ...record, inputsDigest: 'ab'.repeat(32) }));
    expect(await refusal(fitted)).toBe('PROBES_NOT_DERIVED');
    const otherForm = await forge((record) => ({ ...record, plan: { ...record.plan, family: 'blocks' } }));
    expect(await refusal(otherForm)).toBe('PROBES_NOT_DERIVED');
  });

  test("cannot record the suspect's answers as his model's", async () => {
    const suspect = await open(strangerPath);
    const { claim } = readClaim(services, claimPath);
    const { annex } = readAnnex(services, { path: made.path, claim, type: 'probes' });
    const subSeed = openSubSeed(
      claim,
      ownerSeedBox({ secrets: session.owner.secrets, random: services.random }),
      'probe',
    );
    const pool = openProbePool({ claim, annex, subSeed });
    const { plan } = pool.record;
    if (plan.kind !== 'tensors') throw new TypeError('tensors');
    const answers = await askModel(suspect, {
      plan,
      probe: pool.probe,
      count: pool.size,
      progress: silentProgress,
      step: '',
    });
    const path = await forge((record) => ({
      ...record,
      answers,
      chosen: record.chosen?.slice(0, 250) ?? null,
      chance: 0.9,
    }));
    expect(await refusal(path, { modelPath: markedPath })).toBe('PROBES_ANSWERS_NOT_OURS');
    expect(await refusal(path, { modelPath: strangerPath })).toBe('PROBES_MODEL_OTHER');
  });

  test('cannot say that strangers agree less than the rule gives', async () => {
    expect(await refusal(await forge((record) => ({ ...record, chance: 0.1 })))).toBe('PROBES_CHANCE_TOO_LOW');
  });

  test('cannot use what is in no ledger, or was recorded after the suspect was there', async () => {
    expect(await refusal(await forge((record) => ({ ...record, chance: 0.5 }), false))).toBe(
      'REMOTE_ANNEX_NOT_RECORDED',
    );
    expect(await refusal(made.path, { before: '2020-01-01T00:00:00Z' })).toBe('REMOTE_ANNEX_TOO_LATE');
  });

  test('cannot use an annex of another claim, of another owner, or a seed that was not committed', async () => {
    const { claim } = readClaim(services, claimPath);
    const other = { ...claim, commitment: { ...claim.commitment, digest: '00'.repeat(32) } };
    const body = readAnnex(services, { path: made.path, claim, type: 'probes' }).annex.body;
    const path = join(work, 'other.annex.json');
    writeFileSync(path, await signAnnex(createAnnex(other, { type: 'probes', body }), ownerSigner(session.owner)));
    expect(await refusal(path)).toBe('WATERMARK_ANNEX_OF_ANOTHER_CLAIM');
    const seed = { v: 1, kind: 'modelward-disclosed-seed', commitment: claim.commitment.digest, purpose: 'probe' };
    const seedPath = join(work, 'fitted-seed.json');
    writeFileSync(seedPath, JSON.stringify({ ...seed, seed: '77'.repeat(32) }));
    expect(await refusal(made.path, { seedPath })).toBe('WATERMARK_SEED_MISMATCH');
    const home = mkdtempSync(join(work, 'thief-'));
    const thief = openSession(composeServices({ home, progress: silentProgress, cleanups: createCleanups() }), 'thief');
    writeFileSync(path, await signAnnex(createAnnex(claim, { type: 'probes', body }), ownerSigner(thief.owner)));
    thief.close();
    expect(await refusal(path)).toBe('SIGN_OTHER_SIGNER');
  });

  test('cannot let models that learned nothing stand for strangers: beside them every model of the task looks like a copy', async () => {
    const range = { low: 0, high: 1 };
    const untrained = [1, 2, 3, 4].map((seed) =>
      store(`untrained-${seed}.onnx`, exportWeights(buildNetwork(spec, `untrained ${seed}`))),
    );
    const given = { modelPath: markedPath, claimPath, count: 200, pool: 2000, range };
    const refused = [untrained, [...nullPaths, untrained[0]]].map((paths) =>
      codeOfAsync(makeProbes(services, session, { ...given, nullPaths: paths })),
    );
    expect(await Promise.all(refused)).toEqual(['PROBES_NULL_OTHER_TASK', 'PROBES_NULL_OTHER_TASK']);
    expect(await refusal(made.path, { nullPaths: untrained })).toBe('PROBES_NULL_OTHER_TASK');
  });

  test('cannot let his own model stand for a stranger', async () => {
    const given = { modelPath: markedPath, claimPath, nullPaths: [markedPath], count: 200, pool: 200 };
    const range = { low: 0, high: 1 };
    expect(await codeOfAsync(makeProbes(services, session, { ...given, range }))).toBe('PROBES_NULL_OURS');
    expect(
      await codeOfAsync(makeProbes(services, session, { ...given, nullPaths: [], modelPath: strangerPath, range })),
    ).toBe('PROBES_MODEL_OTHER');
    const other = { ...spec, classes: 7, layers: [{ kind: 'flatten' }, SEVEN] } as const;
    const path = join(work, 'seven.onnx');
    writeFileSync(path, toOnnx(other, exportWeights(buildNetwork(other, 'seven'))));
    const nullPaths = [path];
    expect(await codeOfAsync(makeProbes(services, session, { ...given, nullPaths, range }))).toBe('PROBES_NULL_UNFIT');
  });
});

describe('language models', () => {
  /** A "model": its word hangs on all words of the prompt and on who it is. */
  const speaker = (name: string, share = 1): Handler => {
    const wordOf = (prompt: string): string => {
      const draw = createHash('sha256').update(prompt).digest();
      const voice = draw[0] / 256 < share ? name : 'common';
      return `word${createHash('sha256').update(`${voice}/${prompt}`).digest()[0] % 50}`;
    };
    return ({ body }) => {
      const { messages } = body as { messages: { content: string }[] };
      return { choices: [{ message: { content: ` ${wordOf(messages[0].content)}, and so on.` } }] };
    };
  };
  const target = async (server: TestServer): Promise<Target> => {
    const url = `${server.url}/v1/chat/completions`;
    const endpoint = await services.openEndpoint({ url, headers: new Map(), cacert: null, isInsecureAllowed: false });
    const name = 'openai-chat';
    return { endpoint, url, format: FORMATS[name], formatName: name, labels: new Map(), model: 'm' };
  };

  test('are asked keyed prompts; a copy is flagged, another model is not', async () => {
    const ours = await target(await start(speaker('ours', 0.5)));
    const nulls = await Promise.all([1, 2, 3, 4].map(async (at) => target(await start(speaker(`other ${at}`, 0.5)))));
    const text = await makeTextProbes(services, session, {
      ...{ claimPath, target: ours, nulls, count: 150, pool: 600, batch: 1, timeoutMs: 5000 },
      pause: () => Promise.resolve(),
    });
    expect(text).toMatchObject({ choice: 'rare', count: 150, pool: 600, family: 'text' });
    const annexPath = text.path;
    const copy = await start(speaker('ours', 0.5));
    expect(await ask(copy, { annexPath, format: 'openai-chat' })).toMatchObject({ verdict: 'flag', agreement: 1 });
    expect((copy.asked[0].body as { temperature: number }).temperature).toBe(0);
    const other = await start(speaker('stranger', 0.5));
    expect(await ask(other, { annexPath, format: 'openai-chat' })).toMatchObject({ verdict: 'none' });
    for (const one of [ours, ...nulls]) one.endpoint.close();
  });
});
