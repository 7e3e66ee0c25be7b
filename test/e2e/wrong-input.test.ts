/** Every verb of the marks is given what it is not for: each time "none", "cannot tell", or a refusal with its code, and no stack. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadCommandSpecs } from '../../scripts/docs/cli-doc.ts';
import { createBigrams } from '../bigrams.ts';
import { runPlan } from '../formats/models.ts';
import { createWorkplace, root, type Run, samples, type Workplace } from './command.ts';

/** A file, and what is said of it. */
type Wrong = readonly [string, readonly [number, string]];

interface Case {
  readonly verb: string;
  readonly wrong: string;
  readonly words: readonly string[];
  /** Exit code and what is said: the code of an error, or the verdict. */
  readonly said: readonly [number, string];
}

/** What no model is, whoever reads it. */
const NO_MODELS: readonly Wrong[] = [
  ['missing.onnx', [6, 'SOURCE_NOT_FOUND']],
  ['folder', [6, 'SOURCE_NOT_A_FILE']],
  ['empty.onnx', [3, 'ONNX_NO_GRAPH']],
  ['prose.onnx', [3, 'ONNX_WIRE']],
  ['cut.onnx', [3, 'ONNX_TRUNCATED']],
  ['my.claim.json', [4, 'FORMAT_UNKNOWN']],
];

/** What no claim is. */
const NO_CLAIMS: readonly Wrong[] = [
  ['missing.json', [6, 'SOURCE_NOT_FOUND']],
  ['torn.json', [3, 'WATERMARK_CLAIM_MALFORMED']],
  ['changed.json', [3, 'WATERMARK_CLAIM_MALFORMED']],
  ['list.json', [3, 'WATERMARK_CLAIM_MALFORMED']],
  ['deep.json', [3, 'WATERMARK_CLAIM_MALFORMED']],
  ['recipient.annex.json', [3, 'WATERMARK_KEY_FITTED']],
  ['cnn.onnx', [3, 'WATERMARK_CLAIM_MALFORMED']],
];

const CLAIM = 'my.claim.json';
const NOWHERE = ['--url', 'http://127.0.0.1:9/predict', '--rate', '0'];
const REGISTER = ['--annex', 'recipient.annex.json', '--seed', 'recipient.seed.json'];
const FEW = ['--count', '110', '--pool', '300'];

/** Verbs by the model that they take first. */
const OF_A_MODEL: Readonly<Record<string, (model: string, out: string) => string[]>> = {
  detect: (model) => ['detect', model, '--claim', CLAIM],
  lineage: (model) => ['lineage', model, '--original', 'cnn.onnx'],
  attack: (model) => ['attack', model, '--claim', CLAIM, '--only', 'none'],
  'recipients verify': (model) => [
    'recipients',
    'verify',
    model,
    '--claim',
    CLAIM,
    '--original',
    'cnn.onnx',
    ...REGISTER,
  ],
  'trigger verify': (model) => ['trigger', 'verify', model, '--claim', CLAIM],
  'trigger verify --set': (model) => ['trigger', 'verify', model, '--set', 'set.json', '--data', 'eval.npz'],
  'trigger embed': (model, out) => ['trigger', 'embed', model, '--claim', CLAIM, '--data', 'eval.npz', '--out', out],
  'probes make': (model) => ['probes', 'make', model, '--claim', CLAIM, ...FEW],
  'text embed': (model, out) => ['text', 'embed', model, '--claim', CLAIM, '--no-measure', '--out', out],
  'text remove': (model, out) => ['text', 'remove', model, '--out', out],
  'mark plan': (model, out) => ['mark', 'plan', model, '--out', out],
  embed: (model, out) => ['embed', model, '--unmeasured', '--recipient', 'globex', '--out', out],
};

/** Verbs that read a claim, with everything else as it should be. */
const OF_A_CLAIM: Readonly<Record<string, (claim: string, out: string) => string[]>> = {
  detect: (claim) => ['detect', 'out/cnn.marked.onnx', '--claim', claim],
  attack: (claim) => ['attack', 'out/cnn.marked.onnx', '--claim', claim, '--only', 'none'],
  'recipients verify': (claim) => ['recipients', 'verify', 'out/cnn.marked.onnx', '--claim', claim, ...REGISTER],
  'trigger verify': (claim) => ['trigger', 'verify', 'triggered.onnx', '--claim', claim],
  'trigger export': (claim, out) => ['trigger', 'export', '--claim', claim, '--out', out],
  'trigger embed': (claim, out) => [
    'trigger',
    'embed',
    'cnn.onnx',
    '--claim',
    claim,
    '--data',
    'eval.npz',
    '--out',
    out,
  ],
  'trigger make': (claim, out) => ['trigger', 'make', 'eval.npz', '--claim', claim, '--out', out],
  'probes make': (claim) => ['probes', 'make', 'cnn.onnx', '--claim', claim, ...FEW],
  'probes make-text': (claim) => [
    'probes',
    'make-text',
    ...NOWHERE.slice(0, 2),
    '--format',
    'openai-chat',
    '--claim',
    claim,
  ],
  'verify-remote': (claim) => ['verify-remote', ...NOWHERE, '--claim', claim],
  'text embed': (claim, out) => ['text', 'embed', 'decoder.onnx', '--claim', claim, '--no-measure', '--out', out],
  'text detect': (claim) => ['text', 'detect', 'text.json', '--claim', claim],
  disclose: (claim, out) => ['disclose', claim, '--out', out],
};

/** What the owner key of somebody else opens: nothing; what this home knows of a claim of somebody else: nothing. */
const OF_ANOTHER: Readonly<Record<string, readonly [number, string]>> = {
  detect: [5, 'SIGN_SEED_REFUSED'],
  attack: [5, 'SIGN_SEED_REFUSED'],
  'recipients verify': [3, 'SIGN_OTHER_SIGNER'],
  'trigger verify': [2, 'TRIGGERS_NOT_FOUND'],
  'trigger export': [2, 'TRIGGERS_NOT_FOUND'],
  'trigger embed': [5, 'SIGN_SEED_REFUSED'],
  'trigger make': [5, 'SIGN_SEED_REFUSED'],
  'probes make': [5, 'SIGN_SEED_REFUSED'],
  'probes make-text': [5, 'SIGN_SEED_REFUSED'],
  'verify-remote': [2, 'REMOTE_NO_QUESTIONS'],
  'text embed': [5, 'SIGN_SEED_REFUSED'],
  'text detect': [2, 'TEXT_MARK_NOT_FOUND'],
  disclose: [5, 'SIGN_SEED_REFUSED'],
};

/** Models of others: of the same task with other layers, of another kind, of another input. */
const FOREIGN: Readonly<Record<string, readonly Wrong[]>> = {
  detect: [
    ['cnn-large.onnx', [4, 'inconclusive']],
    ['mlp.onnx', [4, 'inconclusive']],
    ['transformer.onnx', [4, 'inconclusive']],
    ['decoder.onnx', [4, 'inconclusive']],
  ],
  lineage: [
    ['cnn-large.onnx', [4, 'inconclusive']],
    ['mlp.onnx', [4, 'inconclusive']],
    ['transformer.onnx', [4, 'inconclusive']],
    ['decoder.onnx', [4, 'inconclusive']],
  ],
  attack: ['cnn-large.onnx', 'mlp.onnx', 'decoder.onnx'].map((name) => [name, [4, 'LAB_CLAIM_NOT_IN_MODEL']] as const),
  'recipients verify': [
    ['cnn-large.onnx', [0, 'none']],
    ['cnn.onnx', [0, 'none']],
    ['transformer.onnx', [4, 'inconclusive']],
    ['decoder.onnx', [4, 'inconclusive']],
  ],
  'trigger verify': [
    ['mlp.onnx', [0, 'none']],
    ['transformer.onnx', [0, 'none']],
    ['decoder.onnx', [4, 'inconclusive']],
    ['mlp.safetensors', [4, 'RUNTIME_NO_GRAPH']],
  ],
  'trigger verify --set': [
    ['mlp.onnx', [0, 'none']],
    ['decoder.onnx', [4, 'inconclusive']],
  ],
  'trigger embed': [
    ['decoder.onnx', [4, 'WATERMARK_TRIGGER_UNFIT']],
    ['mlp.safetensors', [4, 'WATERMARK_TRIGGER_UNFIT']],
  ],
  'probes make': [
    ['mlp.onnx', [2, 'PROBES_MODEL_OTHER']],
    ['decoder.onnx', [2, 'PROBES_MODEL_OTHER']],
  ],
  'text embed': [
    ['mlp.onnx', [4, 'WATERMARK_TEXT_UNFIT']],
    ['mlp.safetensors', [4, 'WATERMARK_TEXT_UNFIT']],
  ],
  'text remove': [
    ['decoder.onnx', [1, 'WATERMARK_OUTPUT_ABSENT']],
    ['mlp.onnx', [1, 'WATERMARK_OUTPUT_ABSENT']],
  ],
  'mark plan': [['decoder.onnx', [4, 'WATERMARK_TOO_SMALL']]],
  embed: [['decoder.onnx', [4, 'WATERMARK_TOO_SMALL']]],
};

/** Originals that are none, or are not the committed one; the marked copy first of all. */
const OF_AN_ORIGINAL: Readonly<Record<string, (original: string) => string[]>> = {
  detect: (original) => ['detect', 'out/cnn.marked.onnx', '--claim', CLAIM, '--original', original],
  attack: (original) => ['attack', 'out/cnn.marked.onnx', '--claim', CLAIM, '--only', 'none', '--original', original],
  'recipients verify': (original) => [
    'recipients',
    'verify',
    'out/cnn.marked.onnx',
    '--claim',
    CLAIM,
    ...REGISTER,
    '--original',
    original,
  ],
};
const WRONG_ORIGINALS: readonly Wrong[] = [
  ...['out/cnn.marked.onnx', 'mlp.onnx', 'decoder.onnx'].map((name) => [name, [3, 'ALIGN_REFERENCE_REFUSED']] as const),
  ...NO_MODELS,
];

const OF_A_SEED: Readonly<Record<string, (seed: string) => string[]>> = {
  detect: (seed) => ['detect', 'out/cnn.marked.onnx', '--claim', CLAIM, '--seed', seed],
  'recipients verify': (seed) => [
    'recipients',
    'verify',
    'out/cnn.marked.onnx',
    '--claim',
    CLAIM,
    '--annex',
    'recipient.annex.json',
    '--seed',
    seed,
  ],
  'trigger verify': (seed) => ['trigger', 'verify', 'triggered.onnx', '--claim', CLAIM, '--seed', seed],
  'trigger export': (seed) => ['trigger', 'export', '--claim', CLAIM, '--out', 'seed.npy', '--seed', seed],
  'text detect': (seed) => ['text', 'detect', 'text.json', '--claim', CLAIM, '--seed', seed],
  'verify-remote': (seed) => ['verify-remote', ...NOWHERE, '--claim', CLAIM, '--seed', seed],
};
const toWrongSeeds = (verb: string): readonly Wrong[] => [
  [verb === 'detect' ? 'probe.seed.json' : 'own.seed.json', [2, 'SEED_OF_ANOTHER_PURPOSE']],
  ['other.seed.json', [2, 'SEED_OF_ANOTHER_CLAIM']],
  ['missing.json', [6, 'SOURCE_NOT_FOUND']],
  ['torn.json', [3, 'SEED_FILE_MALFORMED']],
  ['cnn.onnx', [3, 'SEED_FILE_MALFORMED']],
];

const OF_AN_ANNEX: Readonly<Record<string, (annex: string) => string[]>> = {
  'trigger verify': (annex) => ['trigger', 'verify', 'triggered.onnx', '--claim', CLAIM, '--annex', annex],
  'text detect': (annex) => ['text', 'detect', 'text.json', '--claim', CLAIM, '--annex', annex],
  'verify-remote': (annex) => ['verify-remote', ...NOWHERE, '--claim', CLAIM, '--annex', annex],
  'recipients verify': (annex) => [
    'recipients',
    'verify',
    'out/cnn.marked.onnx',
    '--claim',
    CLAIM,
    '--seed',
    'recipient.seed.json',
    '--annex',
    annex,
  ],
};
const WRONG_ANNEXES: readonly Wrong[] = [
  ['missing.json', [6, 'SOURCE_NOT_FOUND']],
  ['torn.json', [3, 'SIGN_ENVELOPE_MALFORMED']],
  ['my.claim.json', [3, 'SIGN_ENVELOPE_MALFORMED']],
  ['forged.annex.json', [3, 'SIGN_SIGNATURE_INVALID']],
  ['other.annex.json', [3, 'SIGN_OTHER_SIGNER']],
];
/** An annex of the same claim for something else. */
const toWrongAnnexes = (verb: string): readonly Wrong[] => [
  ...WRONG_ANNEXES,
  [verb === 'recipients verify' ? 'text.annex.json' : 'recipient.annex.json', [3, 'WATERMARK_ANNEX_MALFORMED']],
];

const OTHERS: readonly Case[] = [
  ...NO_MODELS.map(([name, said]): Case => {
    return { verb: 'lineage', wrong: `original ${name}`, words: ['lineage', 'cnn.onnx', '--original', name], said };
  }),
  ...NO_MODELS.map(([name, said]): Case => {
    const words = ['lineage', 'cnn-large.onnx', '--original', 'cnn-large.onnx', '--null', name];
    return { verb: 'lineage', wrong: `null model ${name}`, words, said };
  }),
  ...NO_MODELS.map(([name, said]): Case => {
    const words = ['probes', 'make', 'cnn.onnx', '--claim', CLAIM, ...FEW, '--null', name];
    return { verb: 'probes make', wrong: `null model ${name}`, words, said };
  }),
  ...[
    ['cnn.onnx', 'PROBES_NULL_OURS'],
    ['decoder.onnx', 'PROBES_NULL_UNFIT'],
  ].map(([name, said]): Case => {
    const words = ['probes', 'make', 'cnn.onnx', '--claim', CLAIM, ...FEW, '--null', name];
    return { verb: 'probes make', wrong: `null model ${name}`, words, said: [2, said] };
  }),
  ...['cnn.onnx', 'my.claim.json', 'torn.json'].map((name): Case => {
    const words = ['text', 'detect', name, '--claim', CLAIM];
    return { verb: 'text detect', wrong: `text ${name}`, words, said: [3, 'WATERMARK_TEXT_MALFORMED'] };
  }),
  { verb: 'recipients show', wrong: 'a stranger', words: ['recipients', 'show', 'x'], said: [2, 'RECIPIENT_UNKNOWN'] },
  ...['torn.json', 'cnn.onnx'].map((name): Case => {
    const words = ['trigger', 'verify', 'cnn.onnx', '--set', name, '--data', 'eval.npz'];
    return { verb: 'trigger verify', wrong: `set ${name}`, words, said: [3, 'WATERMARK_TRIGGER_SET_MALFORMED'] };
  }),
];

const toCases = (
  kind: string,
  verbs: Readonly<Record<string, (name: string, out: string) => string[]>>,
  wrongs: (verb: string) => readonly Wrong[],
): Case[] =>
  Object.entries(verbs).flatMap(([verb, toWords]) =>
    wrongs(verb).map(([name, said]): Case => {
      const out = `${verb}-${kind}-${name}`.replace(/[^a-z-]/g, '-');
      return { verb, wrong: `${kind} ${name}`, words: toWords(name, out), said };
    }),
  );

const cases: readonly Case[] = [
  ...toCases('no model', OF_A_MODEL, () => NO_MODELS),
  ...toCases('foreign model', OF_A_MODEL, (verb) => FOREIGN[verb]),
  ...toCases('claim', OF_A_CLAIM, () => NO_CLAIMS),
  ...toCases('claim of another owner', OF_A_CLAIM, (verb) => [['other.claim.json', OF_ANOTHER[verb]]]),
  ...toCases('original', OF_AN_ORIGINAL, () => WRONG_ORIGINALS),
  ...toCases('seed', OF_A_SEED, toWrongSeeds),
  ...toCases('annex', OF_AN_ANNEX, toWrongAnnexes),
  ...OTHERS,
];

let place: Workplace;
let other: Workplace;
let runs: readonly Run[];

const at = (name: string): string => join(place.folder, name);

/** The one file below a folder of a home whose name fits. */
function pick(home: string, folder: string, pattern: RegExp): string {
  const found = readdirSync(join(home, folder)).filter((name) => pattern.test(name));
  expect(found, `${folder} ${String(pattern)}`).toHaveLength(1);
  return join(home, folder, found[0]);
}

/** Marks of every kind, of one owner. */
function makeMarks(): void {
  for (const name of ['cnn.onnx', 'cnn-large.onnx', 'mlp.onnx', 'mlp.safetensors', 'transformer.onnx', 'eval.npz']) {
    cpSync(join(samples, name), at(name));
  }
  writeFileSync(at('decoder.onnx'), runPlan(createBigrams().plan([])));
  writeFileSync(at('text.json'), JSON.stringify([Array.from({ length: 300 }, (_, at) => (at * at) % 97)]));
  place.json(['embed', 'cnn.onnx', '--unmeasured', '--owner', 'acme', '--recipient', 'first', '--out', 'out']);
  cpSync(pick(place.home, 'claims', /claim\.json$/), at(CLAIM));
  cpSync(pick(place.home, 'annexes', /recipient\..*annex\.json$/), at('recipient.annex.json'));
  const few = ['--count', '8', '--limit', '5', '--out', 'triggered.onnx'];
  place.json(['trigger', 'embed', 'cnn.onnx', '--claim', CLAIM, '--data', 'eval.npz', ...few]);
  place.json(['trigger', 'make', 'eval.npz', '--count', '20', '--out', 'set']);
  cpSync(pick(place.folder, 'set', /set\.json$/), at('set.json'));
  place.json(['probes', 'make', 'cnn.onnx', '--claim', CLAIM, ...FEW]);
  place.json(['text', 'embed', 'decoder.onnx', '--claim', CLAIM, '--no-measure', '--out', 'written.onnx']);
  cpSync(pick(place.home, 'annexes', /text\..*annex\.json$/), at('text.annex.json'));
  place.json(['disclose', CLAIM, '--purpose', 'recipient', '--out', 'recipient.seed.json']);
  place.json(['disclose', CLAIM, '--purpose', 'own', '--out', 'own.seed.json']);
}

function makeWrongs(): void {
  const claim = readFileSync(at(CLAIM), 'utf8');
  mkdirSync(at('folder'));
  writeFileSync(at('empty.onnx'), '');
  writeFileSync(at('prose.onnx'), 'this is no model\n'.repeat(9));
  writeFileSync(at('cut.onnx'), readFileSync(at('cnn.onnx')).subarray(0, 20_000));
  writeFileSync(at('torn.json'), claim.slice(0, 500));
  writeFileSync(at('changed.json'), claim.replace('"acme"', '"acmo"'));
  writeFileSync(at('list.json'), '[]');
  writeFileSync(at('deep.json'), '['.repeat(50_000));
  const annex = JSON.parse(readFileSync(at('recipient.annex.json'), 'utf8')) as { payload: string };
  const body = Buffer.from(annex.payload, 'base64').toString().replace('"number":1', '"number":2');
  writeFileSync(at('forged.annex.json'), JSON.stringify({ ...annex, payload: Buffer.from(body).toString('base64') }));
  place.json(['disclose', CLAIM, '--purpose', 'probe', '--out', 'probe.seed.json']);
}

beforeAll(() => {
  place = createWorkplace();
  other = createWorkplace();
  makeMarks();
  other.json([
    'embed',
    join(samples, 'mlp.onnx'),
    '--unmeasured',
    '--owner',
    'other',
    '--recipient',
    'x',
    '--out',
    'out',
  ]);
  const claim = pick(other.home, 'claims', /claim\.json$/);
  cpSync(claim, at('other.claim.json'));
  other.json(['disclose', claim, '--out', at('other.seed.json')]);
  cpSync(pick(other.home, 'annexes', /recipient\..*annex\.json$/), at('other.annex.json'));
  makeWrongs();
  runs = place.runAll(cases.map(({ words }) => [...words, '--json', '--quiet']));
});
afterAll(() => {
  place.remove();
  other.remove();
});

describe('wrong input', () => {
  test('is given to every verb of the marks', async () => {
    const ofMarks = /^(?:detect|lineage|attack|recipients|trigger|probes|verify-remote|text|mark|disclose|embed)\b/;
    const specs = (await loadCommandSpecs(root)) ?? [];
    const verbs = specs.filter(({ name, subcommands }) => subcommands.length === 0 && ofMarks.test(name));
    const tried = new Set(cases.map(({ words }) => words.slice(0, 2).join(' ')));
    const left = verbs.map(({ name }) => name).filter((name) => ![...tried].some((words) => words.startsWith(name)));
    expect(left).toEqual(['recipients list']);
    expect(verbs.length).toBeGreaterThan(15);
  });

  test.each(cases.map((one, at) => ({ ...one, at })))('$verb, $wrong: $said', ({ at, said }) => {
    const { status, stdout, stderr } = runs[at];
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    const { error, verdict } = JSON.parse(stdout) as { error?: { code: string }; verdict?: string };
    expect([status, error?.code ?? verdict]).toEqual(said);
    expect(stdout + stderr).not.toMatch(/\n {4}at |internal error/);
  });
});
