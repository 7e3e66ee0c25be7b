import { copyFileSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openModelPath } from '../../src/formats/index.ts';
import { toNpyBytes } from '../../src/fidelity/index.ts';
import type { EmbedResult } from '../../src/workflows/index.ts';
import type { EmbedTriggersResult } from '../../src/workflows/trigger/embed.ts';
import type { ExportTriggersResult } from '../../src/workflows/trigger/export.ts';
import type { MakeSetResult } from '../../src/workflows/trigger/make.ts';
import type { SetReport } from '../../src/workflows/trigger/verify-set.ts';
import type { TriggersReport } from '../../src/workflows/trigger/verify.ts';
import type { PlanMarkResult } from '../../src/workflows/plan/plan-mark.ts';
import { createWorkplace, samples, type Workplace } from './command.ts';

const cnn = join(samples, 'cnn.onnx');
const data = join(samples, 'eval.npz');

let place: Workplace;
let claim: string;
let made: EmbedTriggersResult;
const toError = (args: readonly string[]): { readonly status: number | null; readonly code: string } => {
  const { status, stdout } = place.run([...args, '--json', '--quiet']);
  return { status, code: (JSON.parse(stdout) as { error: { code: string } }).error.code };
};

beforeAll(() => {
  place = createWorkplace({ isOneProcess: true });
  claim = place.json<EmbedResult>(['embed', cnn, '--unmeasured', '--owner', 'acme', '--out', 'out']).claim.path;
  cpSync(join(place.home, 'ledger'), join(place.folder, 'ledger-before'), { recursive: true });
  made = place.json<EmbedTriggersResult>([
    ...[
      'trigger',
      'embed',
      'out/cnn.marked.onnx',
      '--claim',
      claim,
      '--data',
      data,
      // The owner's key is drawn: at 0.2 points one in six gets 5 triggers, too few for evidence; at 0.5 all of twelve got 21 or more.
      '--limit',
      '0.5',
      '--out',
      't.onnx',
    ],
  ]);
});
afterAll(() => {
  place.remove();
});

describe('trigger embed', () => {
  test('every trigger is answered as drawn, at a loss within the limit, and only the last layer changed', () => {
    expect(made.agreed).toBe(made.triggers);
    expect(made.triggers).toBeGreaterThanOrEqual(8);
    expect(made.lossPoints).toBeLessThanOrEqual(0.5);
    const [before, after] = ['out/cnn.marked.onnx', 't.onnx'].map((name) => openModelPath(join(place.folder, name)));
    const changed = before.tensors.filter((tensor, index) => {
      const [a, b] = [new Uint8Array(tensor.byteLength), new Uint8Array(tensor.byteLength)];
      tensor.read(0, a);
      after.tensors[index].read(0, b);
      return Buffer.compare(a, b) !== 0;
    });
    expect(changed.map(({ name }) => name).sort()).toEqual(['fc.bias', 'fc.weight']);
    before.close();
    after.close();
  });

  test('the mark in the weights is still a claim', () => {
    expect(place.json<{ verdict: string }>(['detect', 't.onnx', '--claim', claim]).verdict).toBe('claim');
  });

  test('missing data, a format that cannot be run and an existing copy are told apart', () => {
    expect(toError(['trigger', 'embed', cnn, '--claim', claim, '--data', 'none.npz', '--out', 'x.onnx']).status).toBe(
      6,
    );
    const detector = join(samples, 'transformer.safetensors');
    expect(toError(['trigger', 'embed', detector, '--claim', claim, '--data', data, '--out', 'x.onnx'])).toEqual({
      ...{ status: 4, code: 'WATERMARK_TRIGGER_UNFIT' },
    });
    expect(
      toError([
        'trigger',
        'embed',
        cnn,
        '--claim',
        claim,
        '--data',
        data,
        '--limit',
        '0',
        '--count',
        '100',
        '--out',
        't.onnx',
      ]),
    ).toEqual({
      ...{ status: 2, code: 'WRITE_EXISTS' },
    });
  });
});

describe('trigger verify', () => {
  test('the copy knows the triggers; models that have nothing to do with it do not', () => {
    const verify = (suspect: string): TriggersReport => place.json<TriggersReport>(['trigger', 'verify', suspect]);
    const own = verify('t.onnx');
    expect(own.agreed).toBe(made.triggers);
    expect(own.evidenceBits).toBeCloseTo(made.triggers * Math.log2(10) - 4, 6);
    expect(own.verdict).toBe(own.evidenceBits >= 64 ? 'flag' : 'supporting');
    expect(own.recorded?.leafIndex).toBe(made.leafIndex);
    for (const other of ['cnn-large.onnx', 'mlp.onnx', 'transformer.onnx']) {
      expect(verify(join(samples, other)), other).toMatchObject({ verdict: 'none' });
    }
    expect(verify('out/cnn.marked.onnx').verdict).toBe('none');
  });

  test('recorded answers are judged like the model; missing ones count as wrong', () => {
    const out = place.json<ExportTriggersResult>(['trigger', 'export', '--out', 'triggers.npy']);
    expect(out.shape).toEqual([made.triggers, 1, 12, 12]);
    const run = place.run(['run', 't.onnx', '--input', 'triggers.npy', '--out', 'answers']);
    expect(run.status, run.stderr).toBe(0);
    const whole = place.json<TriggersReport>(['trigger', 'verify', '--answers', 'answers']);
    expect(whole).toMatchObject({ agreed: made.triggers, unanswered: 0 });
    const half = Math.ceil(made.triggers / 2);
    writeFileSync(
      join(place.folder, 'half.npy'),
      toNpyBytes({ dtype: 'i32', shape: [half], data: new Uint8Array(4 * half) }),
    );
    const some = place.json<TriggersReport>(['trigger', 'verify', '--answers', 'half.npy']);
    expect(some.unanswered).toBe(made.triggers - half);
    expect(some.verdict).not.toBe('flag');
  });

  test('a model of another shape: cannot tell, exit 4, no stack', () => {
    const { status, stdout } = place.run(['trigger', 'verify', join(samples, 'detector', 'detector.onnx')]);
    expect(status).toBe(4);
    expect(stdout).toContain('cannot tell, because the suspect does not fit');
    expect(stdout).not.toContain('    at ');
  });

  test('an annex that was changed, or that no ledger has, is refused', () => {
    const envelope = JSON.parse(readFileSync(made.annex, 'utf8')) as { payload: string };
    const text = Buffer.from(envelope.payload, 'base64').toString();
    const payload = Buffer.from(text.replace('"classes":10', '"classes":99')).toString('base64');
    writeFileSync(join(place.folder, 'changed.json'), JSON.stringify({ ...envelope, payload }));
    const verify = ['trigger', 'verify', 't.onnx', '--claim', claim, '--annex', 'changed.json'];
    expect(toError(verify).code).toBe('SIGN_SIGNATURE_INVALID');
    const home = join(place.folder, 'home-before');
    cpSync(place.home, home, { recursive: true });
    rmSync(join(home, 'ledger'), { recursive: true });
    cpSync(join(place.folder, 'ledger-before'), join(home, 'ledger'), { recursive: true });
    expect(toError(['trigger', 'verify', 't.onnx', '--home', home]).code).toBe('WATERMARK_TRIGGERS_UNRECORDED');
  });

  test('a judge reads with the disclosed trigger seed, and with no other', () => {
    place.json(['disclose', claim, '--purpose', 'trigger', '--out', 'seed.json']);
    place.json(['disclose', claim, '--out', 'own.json']);
    const verify = ['trigger', 'verify', 't.onnx', '--claim', claim, '--annex', made.annex, '--seed'];
    expect(place.json<TriggersReport>([...verify, 'seed.json'])).toMatchObject({
      agreed: made.triggers,
      leafIndex: null,
    });
    expect(toError([...verify, 'own.json']).code).toBe('SEED_OF_ANOTHER_PURPOSE');
  });

  test('a judge sees by a proof of the ledger that the triggers were there before; otherwise 40 bits are taken off', () => {
    const verify = ['trigger', 'verify', 't.onnx', '--claim', claim, '--annex', made.annex, '--seed', 'seed.json'];
    const own = place.json<TriggersReport>(['trigger', 'verify', 't.onnx']);
    const unseen = place.json<TriggersReport>(verify);
    expect(unseen).toMatchObject({ recorded: null, choiceBits: own.choiceBits + 40 });
    expect(unseen.evidenceBits).toBeCloseTo(Math.max(0, own.evidenceBits - 40), 6);
    const prove = (index: number, out: string): string[] => {
      writeFileSync(join(place.folder, out), place.run(['ledger', 'prove', String(index)]).stdout);
      return ['--proof', out, '--ledger-key', place.json<{ ledgerKey: string }>(['keys', 'show']).ledgerKey];
    };
    const proof = prove(made.leafIndex, 'annex.tlog-proof');
    const seen = place.json<TriggersReport>([...verify, ...proof, '--before', '2099-01-01']);
    expect(seen).toMatchObject({ evidenceBits: own.evidenceBits, recorded: { leafIndex: made.leafIndex } });
    // A proof without a date shows when, and not that it was early enough.
    expect(place.json<TriggersReport>([...verify, ...proof]).evidenceBits).toBe(unseen.evidenceBits);
    expect(toError([...verify, '--before', '2099-01-01']).code).toBe('REMOTE_ANNEX_NOT_RECORDED');
    expect(toError([...verify, ...proof, '--before', '2001-01-01']).code).toBe('REMOTE_ANNEX_TOO_LATE');
    expect(toError([...verify, ...prove(0, 'other.tlog-proof')]).code).toBe('REMOTE_ANNEX_NOT_RECORDED');
    expect(toError([...verify, '--proof', 'annex.tlog-proof']).code).toBe('CLI_USAGE');
  });

  test('without triggers of the claim it says so', () => {
    const other = place.json<EmbedResult>(['embed', join(samples, 'mlp.onnx'), '--unmeasured', '--out', 'other']);
    expect(toError(['trigger', 'verify', 't.onnx', '--claim', other.claim.path]).code).toBe('TRIGGERS_NOT_FOUND');
  });
});

describe('trigger make', () => {
  test('a set is committed, written for loaders, and not known to a model that was not trained on it', () => {
    const bytes = join(place.folder, 'digits-images.npy');
    copyFileSync(join(samples, 'eval-images.npy'), bytes);
    copyFileSync(join(samples, 'eval-labels.npy'), join(place.folder, 'digits-labels.npy'));
    const set = place.json<MakeSetResult>(['trigger', 'make', 'digits-images.npy', '--count', '50', '--out', 'set']);
    expect(readdirSync(join(place.folder, 'set')).sort()).toEqual([
      'images',
      'labels.csv',
      'triggers.npz',
      'triggers.set.json',
    ]);
    expect(readdirSync(join(place.folder, 'set/images'))).toHaveLength(50);
    expect(readFileSync(join(place.folder, 'set/labels.csv'), 'utf8').trimEnd().split('\n')).toHaveLength(51);
    const verify = ['trigger', 'verify', cnn, '--set', set.set, '--data'];
    expect(place.json<SetReport>([...verify, 'digits-images.npy'])).toMatchObject({
      verdict: 'none',
      triggers: 50,
      classes: 10,
    });
    expect(toError([...verify, data]).code).toBe('WATERMARK_TRIGGER_DATA_OTHER');
  });
});

describe('mark plan', () => {
  test('writes plan, recipe and claim; the model it starts from is not yet marked', () => {
    const plan = place.json<PlanMarkResult>(['mark', 'plan', join(samples, 'mlp.onnx'), '--out', 'plan']);
    const model = openModelPath(plan.plan.path);
    expect(model.tensors.map(({ name, dtype }) => `${name} ${dtype}`).sort()).toEqual([
      ...['bits i8', 'fc1.weight.block i32', 'fc1.weight.chip i8', 'fc2.weight.block i32', 'fc2.weight.chip i8'],
    ]);
    model.close();
    expect(readFileSync(plan.recipe, 'utf8')).toContain('mark_term');
    expect(place.json<{ verdict: string }>(['detect', join(samples, 'mlp.onnx'), '--claim', plan.claim]).verdict).toBe(
      'none',
    );
  });

  test('writes the arrays as npy files, numbered as the names are listed', () => {
    const one = place.json<PlanMarkResult>(['mark', 'plan', join(samples, 'mlp.onnx'), '--out', 'one']);
    const made = place.json<PlanMarkResult>([
      ...['mark', 'plan', join(samples, 'mlp.onnx'), '--format', 'npy', '--out', 'npy'],
    ]);
    expect(made.plan).toEqual({ path: join(place.folder, 'npy'), sha256: one.plan.sha256 });
    expect(readdirSync(made.plan.path).sort()).toEqual([
      ...['0.block.npy', '0.chip.npy', '1.block.npy', '1.chip.npy', 'bits.npy', 'names.json', 'recipe.py'],
    ]);
    const names = JSON.parse(readFileSync(join(made.plan.path, 'names.json'), 'utf8')) as string[];
    expect(names).toEqual(['fc1.weight', 'fc2.weight']);
    const model = openModelPath(one.plan.path);
    for (const tensor of model.tensors) {
      const { name, byteLength } = tensor;
      const [stem, part] = [name.replace(/\.(block|chip)$/, ''), name.split('.').at(-1)];
      const file = name === 'bits' ? 'bits.npy' : `${names.indexOf(stem)}.${part}.npy`;
      const bytes = new Uint8Array(byteLength);
      tensor.read(0, bytes);
      expect(Buffer.compare(readFileSync(join(made.plan.path, file)).subarray(-byteLength), bytes)).toBe(0);
    }
    model.close();
  });
});
