import { expect, test } from 'vitest';
import { createRecordingStorage } from '../../test/crash/recording-storage.ts';
import { openTestLedger, testEntry, testNumbers, testSigner } from '../../test/fakes/ledger-kit.ts';
import { askGoJudge, describeWithGoJudge, type JudgeCase } from '../../test/go-judge.ts';
import { toBase64, u32be } from '../core/bytes.ts';
import { hashLeaf, toConsistencyProof, toInclusionProof, toNodeReader, toRootAt } from '../core/merkle.ts';
import { encodeVerifierKey, signNote } from './index.ts';

const isLong = process.env.MODELWARD_LONG === '1';
const key = testSigner();
const vkey = encodeVerifierKey(key);
const few = new Set([1, 2, 3, 4, 5, 7, 8, 255, 256, 257, 300]);

/** A ledger grown one by one; per size a checkpoint, and proof files of the first, a middle and the last entry. */
async function growLedger(sizeMax: number): Promise<{ cases: JudgeCase[]; leaves: Uint8Array[] }> {
  const ledger = await openTestLedger(createRecordingStorage(['/home']));
  const cases: JudgeCase[] = [];
  for (let size = 1; size <= sizeMax; size += 1) {
    const { checkpoint } = ledger.append([testEntry(size)]);
    if (!isLong && !few.has(size)) continue;
    const reader = ledger.reader();
    cases.push({ kind: 'checkpoint', vkey, note: checkpoint, size, root: toBase64(reader.head.root) });
    for (const index of new Set([0, Math.floor(size / 3), size - 1])) {
      const entry = toBase64(reader.readBytes(index));
      cases.push({ kind: 'proof-file', vkey, note: reader.proof(index), entry });
    }
    const first = Math.max(1, Math.floor(size * 0.6));
    const roots = { firstRoot: '', secondRoot: toBase64(reader.head.root) };
    const proof = reader.consistency(first, size).map(toBase64);
    cases.push({ kind: 'consistency', first, second: size, ...roots, proof });
  }
  const reader = ledger.reader();
  const leaves = Array.from({ length: sizeMax }, (_, index) => hashLeaf(reader.readBytes(index)));
  const node = toNodeReader(leaves);
  ledger.close();
  const filled = cases.map((row) =>
    row.kind === 'consistency' ? { ...row, firstRoot: toBase64(toRootAt(Number(row.first), node)) } : row,
  );
  return { cases: filled, leaves };
}

/** Every inclusion and consistency proof of one size, from the same leaves. */
function toAllProofs(leaves: readonly Uint8Array[], size: number): JudgeCase[] {
  const node = toNodeReader(leaves.slice(0, size));
  const root = toBase64(toRootAt(size, node));
  return Array.from({ length: size }, (_, index): JudgeCase[] => {
    const inclusion = toInclusionProof({ index, size, node }).map(toBase64);
    const first = index + 1;
    const consistency = toConsistencyProof({ first, second: size, node }).map(toBase64);
    const firstRoot = toBase64(toRootAt(first, node));
    return [
      { kind: 'inclusion', size, root, index, leafHash: toBase64(leaves[index]), proof: inclusion },
      { kind: 'consistency', first, firstRoot, second: size, secondRoot: root, proof: consistency },
    ];
  }).flat();
}

describeWithGoJudge('ledger against Go x/mod sumdb', () => {
  test('checkpoints, proof files and all proofs are accepted', async () => {
    const sizeMax = isLong ? 1024 : 300;
    const { cases, leaves } = await growLedger(sizeMax);
    expect(askGoJudge(cases).filter((answer) => answer !== 'ok')).toEqual([]);
    expect(cases.length).toBeGreaterThan(isLong ? 5000 : 50);
    for (let size = 1; size <= sizeMax; ) {
      const batch: JudgeCase[] = [];
      for (; size <= sizeMax && batch.length < 40_000; size += 1) {
        if (isLong || few.has(size)) batch.push(...toAllProofs(leaves, size));
      }
      const answers = askGoJudge(batch);
      expect(answers).toHaveLength(batch.length);
      expect(answers.filter((answer) => answer !== 'ok')).toEqual([]);
    }
  });

  test('samples of proofs in a large tree are accepted', () => {
    const size = isLong ? 1_000_000 : 10_000;
    const node = toNodeReader(Array.from({ length: size }, (_, i) => hashLeaf(u32be(i))));
    const root = toBase64(toRootAt(size, node));
    const next = testNumbers(12);
    const cases = Array.from({ length: 300 }, (): JudgeCase[] => {
      const index = Math.floor(next() * size);
      const proof = toInclusionProof({ index, size, node }).map(toBase64);
      const first = 1 + Math.floor(next() * size);
      const roots = { firstRoot: toBase64(toRootAt(first, node)), secondRoot: root };
      const consistency = toConsistencyProof({ first, second: size, node }).map(toBase64);
      return [
        { kind: 'inclusion', size, root, index, leafHash: toBase64(node(0, index)), proof },
        { kind: 'consistency', first, second: size, ...roots, proof: consistency },
      ];
    }).flat();
    expect(askGoJudge(cases).filter((answer) => answer !== 'ok')).toEqual([]);
  });

  test('it refuses what is wrong, so its yes means something', async () => {
    const { cases } = await growLedger(8);
    const wrong = cases.map((row) => {
      if (row.kind === 'checkpoint') return { ...row, note: String(row.note).replace('\n8\n', '\n9\n'), size: 9 };
      if (row.kind === 'proof-file') return { ...row, entry: toBase64(new Uint8Array([1])) };
      return { ...row, firstRoot: row.secondRoot, secondRoot: toBase64(new Uint8Array(32)) };
    });
    expect(askGoJudge(wrong).filter((answer) => answer === 'ok')).toEqual([]);
  });

  test('a note with several lines and blank ones is accepted', () => {
    const note = signNote('first line\n\nthird line, ünïcödé\n', key);
    expect(askGoJudge([{ kind: 'note', vkey, note }])).toEqual(['ok']);
  });
});
