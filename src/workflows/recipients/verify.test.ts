/** A judge with a claim, annexes, names, proofs and one disclosed seed: what is named, what is counted, what is refused. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { composeServices } from '../../cli/compose.ts';
import { createCleanups } from '../../cli/ui/interrupt.ts';
import { silentProgress } from '../../core/ports.ts';
import { encodeVerifierKey } from '../../ledger/index.ts';
import type { RecipientBody } from '../../watermark/recipient/index.ts';
import { readAnnex, recordAnnex } from '../annexes.ts';
import { listClaims, type StoredClaim } from '../claims.ts';
import { discloseSeed } from '../disclose.ts';
import { proveEntry } from '../ledger.ts';
import { embedModel } from '../protect/embed.ts';
import type { Services } from '../services.ts';
import { openSession, type Session } from '../session.ts';
import { type ListedRecipient, listRecipients } from './list.ts';
import { verifyRecipients, type VerifyRecipientsOptions } from './verify.ts';

const samples = resolve(import.meta.dirname, '../../../samples');
const original = join(samples, 'mlp.onnx');

let work: string;
let owner: Services;
let session: Session;
let claim: StoredClaim;
let acme: ListedRecipient;
let globex: ListedRecipient;
let foreign: ListedRecipient;

const at = (...parts: readonly string[]): string => join(work, ...parts);
const open = (home: string): Services =>
  composeServices({ home: at(home), progress: silentProgress, cleanups: createCleanups() });
const give = (path: string, id: string) =>
  embedModel(owner, {
    ...{ path, out: at(id), evalPath: join(samples, 'eval.npz'), keyUri: null, sealOnly: false, noMark: false },
    ...{ limitPoints: 1, unmeasured: false, force: false, recipient: { id, code: 'both' as const } },
  });

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'modelward-judge-'));
  owner = open('owner');
  await give(original, 'acme');
  await give(original, 'globex');
  await give(join(samples, 'cnn.onnx'), 'initech');
  session = openSession(owner);
  const { recipients } = listRecipients(owner, () => session, {});
  [acme, globex, foreign] = ['acme', 'globex', 'initech'].map((name) => recipients.find(({ id }) => id === name)!);
  claim = listClaims(owner).find((stored) => stored.claim.commitment.digest === acme.commitment)!;
  for (const purpose of ['recipient', 'own'] as const) {
    discloseSeed(owner, session, { claimPath: claim.path, purpose, out: at(`${purpose}.seed.json`) });
  }
});
afterAll(() => {
  session.close();
  rmSync(work, { recursive: true, force: true });
});

const refuseSession = (): Session => {
  throw new TypeError('a judge needs no owner');
};
const judge = (suspect: string, change: Partial<VerifyRecipientsOptions> = {}) =>
  verifyRecipients(open('judge'), refuseSession, {
    ...{ path: suspect, claimPath: claim.path, originalPath: original, seedPath: at('recipient.seed.json') },
    ...{ annexPaths: [acme.annex, globex.annex], namePaths: [], proofPaths: [], ...change },
  });
const copyOf = (id: string): string => at(id, 'mlp.marked.onnx');

/** An annex that the owner signs and records later, with another body. */
async function addAnnex(change: Partial<RecipientBody>): Promise<string> {
  const { body } = readAnnex(owner, { path: acme.annex, claim: claim.claim, type: 'recipient' }).annex;
  const next = { ...(body as RecipientBody), ...change } as unknown as typeof body;
  const given = { claim: claim.claim, type: 'recipient', body: next, subject: 'mlp.onnx' } as const;
  return (await recordAnnex(owner, session, given)).path;
}

describe('a judge in an empty home', () => {
  test('names the number with exact evidence, opens its name, sees when it was recorded, and leaves nothing', async () => {
    const proofPath = at('acme.tlog-proof');
    writeFileSync(proofPath, proveEntry(owner, acme.recorded!.leafIndex).proof);
    const proof = { proofPaths: [proofPath], verifierKey: encodeVerifierKey(session.recorder.key) };
    const finding = await judge(copyOf('acme'), { namePaths: [acme.nameFile!], ...proof });
    expect(finding).toMatchObject({
      ...{ verdict: 'claim', number: 1, id: 'acme', recipients: 2, orderState: 'recipient', isReleasedCopy: true },
      register: { shown: 2, highest: 2, missing: 0, missingNumbers: [] },
      annex: { path: acme.annex, recorded: acme.recorded },
      notes: [],
    });
    expect(finding.order!.agreements).toBe(finding.order!.channels);
    expect(finding.evidenceBits).toBeGreaterThan(1000);
    // Three looks (an order, two payloads), a register of two, and the choice of what to show.
    expect(finding.trials).toBe(3 * 2 * 24);
    expect(existsSync(at('judge'))).toBe(false);
  });

  test('counts numbers that were not shown, and names nobody by an annex that is missing', async () => {
    const finding = await judge(copyOf('acme'), { annexPaths: [globex.annex] });
    expect(finding).toMatchObject({ verdict: 'unshown', number: null, id: null, annex: null, isReleasedCopy: false });
    expect(finding.register).toEqual({ shown: 1, highest: 2, missing: 1, missingNumbers: [1] });
    expect(finding.notes.join()).toContain('number 1, whose annex was not shown');
    expect(finding.evidenceBits).toBeGreaterThan(1000);
  });

  test('one annex more with a high number costs log2 of it, however few are shown', async () => {
    const few = await judge(copyOf('acme'));
    const high = await addAnnex({ number: 2 ** 20, name: 'a'.repeat(64) });
    const many = await judge(copyOf('acme'), { annexPaths: [acme.annex, high] });
    expect(many).toMatchObject({ verdict: 'claim', number: 1, recipients: 2 ** 20 });
    expect(few.order!.evidenceBits - many.order!.evidenceBits).toBeCloseTo(19, 6);
    expect(many.register).toMatchObject({ shown: 2, missing: 2 ** 20 - 2 });
    expect(many.register.missingNumbers).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  test('every choice of neurons is counted where an annex codes others than the original can move', async () => {
    const body = readAnnex(owner, { path: acme.annex, claim: claim.claim, type: 'recipient' }).annex
      .body as unknown as RecipientBody;
    const spaces = body.order!.spaces.slice(0, 1);
    const chosen = await addAnnex({ number: 1, order: { spaces } });
    const fewer = await judge(copyOf('acme'), { annexPaths: [chosen] });
    const all = await judge(copyOf('acme'), { annexPaths: [acme.annex] });
    expect(body.order!.spaces.length).toBeGreaterThan(1);
    expect(fewer.notes.join()).toContain('every choice of neurons was counted');
    expect(fewer.trials / all.trials).toBeGreaterThan(2 ** body.order!.spaces.length);
    expect(all.notes.join()).not.toContain('every choice');
  });

  test('says what was not shown: the name, the entry of the ledger', async () => {
    const finding = await judge(copyOf('globex'));
    expect(finding).toMatchObject({ number: 2, id: null, annex: { recorded: null } });
    expect(finding.notes.join()).toContain('no name was opened');
    expect(finding.notes.join()).toContain('before the suspect was known');
  });

  test('names nobody by a number that stands for two, in the original, or in another model', async () => {
    const twin = await addAnnex({ number: 1, name: 'b'.repeat(64), releasedDigest: 'c'.repeat(64) });
    const ambiguous = await judge(copyOf('acme'), { annexPaths: [acme.annex, twin] });
    expect(ambiguous).toMatchObject({ verdict: 'ambiguous', number: null, id: null, annex: null });
    expect(await judge(original)).toMatchObject({ verdict: 'none', number: null, orderState: 'original' });
    const stranger = await judge(join(samples, 'cnn-large.onnx'));
    expect(stranger).toMatchObject({ number: null, evidenceBits: 0, isReleasedCopy: false });
  });

  test('reads the payload alone where the original is not at hand', async () => {
    const finding = await judge(copyOf('acme'), { originalPath: undefined });
    expect(finding.order).toBeNull();
    expect(finding.notes.join()).toContain('--original FILE');
  });
});

describe('refused', () => {
  const edited = (name: string, from: string, edit: (text: string) => string): string => {
    writeFileSync(at(name), edit(readFileSync(from, 'utf8')));
    return at(name);
  };
  const renumber = (text: string): string => {
    const envelope = JSON.parse(text) as { payload: string };
    const payload = Buffer.from(envelope.payload, 'base64').toString('utf8').replace('"number":1', '"number":2');
    return JSON.stringify({ ...envelope, payload: Buffer.from(payload).toString('base64') });
  };
  const flip = (text: string): string =>
    text.replace(/"seed":"(.)/, (_, digit) => `"seed":"${digit === '0' ? '1' : '0'}`);

  test.each<[string, string, () => Partial<VerifyRecipientsOptions>]>([
    ['the seed of another purpose', 'SEED_OF_ANOTHER_PURPOSE', () => ({ seedPath: at('own.seed.json') })],
    [
      'a seed that was not committed to',
      'WATERMARK_SEED_MISMATCH',
      () => ({ seedPath: edited('bad.seed.json', at('recipient.seed.json'), flip) }),
    ],
    ['no seed at all', 'SEED_FILE_MALFORMED', () => ({ seedPath: acme.annex })],
    [
      'an annex of another claim',
      'WATERMARK_ANNEX_OF_ANOTHER_CLAIM',
      () => ({ annexPaths: [acme.annex, foreign.annex] }),
    ],
    [
      'an annex that was changed',
      'SIGN_SIGNATURE_INVALID',
      () => ({ annexPaths: [edited('bad.annex.json', acme.annex, renumber)] }),
    ],
    ['a name of somebody else', 'RECIPIENT_EXHIBIT_OTHER', () => ({ namePaths: [foreign.nameFile!] })],
    [
      'a name that was changed',
      'RECIPIENT_EXHIBIT_OTHER',
      () => ({ namePaths: [edited('bad.name.json', acme.nameFile!, (text) => text.replace('acme', 'emca'))] }),
    ],
    ['a file that is no name', 'RECIPIENT_EXHIBIT_OTHER', () => ({ namePaths: [original] })],
    [
      'a proof of another entry',
      'RECIPIENT_EXHIBIT_OTHER',
      () => {
        writeFileSync(at('other.tlog-proof'), proveEntry(owner, foreign.recorded!.leafIndex).proof);
        return { proofPaths: [at('other.tlog-proof')], verifierKey: encodeVerifierKey(session.recorder.key) };
      },
    ],
    ['another original', 'ALIGN_REFERENCE_REFUSED', () => ({ originalPath: copyOf('acme') })],
  ])('%s: %s', async (_, code, change) => {
    await expect(judge(copyOf('acme'), change())).rejects.toMatchObject({ code });
  });
});
