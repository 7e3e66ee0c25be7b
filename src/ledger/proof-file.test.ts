import { beforeAll, describe, expect, test } from 'vitest';
import { createRecordingStorage } from '../../test/crash/recording-storage.ts';
import { openTestLedger, testEntries, testSigner } from '../../test/fakes/ledger-kit.ts';
import { encodeProof, parseProof, verifyProof } from './index.ts';

const key = testSigner();
let proof: string;
let entry: Uint8Array;

beforeAll(async () => {
  const ledger = await openTestLedger(createRecordingStorage(['/home']));
  ledger.append(testEntries(11));
  proof = ledger.reader().proof(4);
  entry = ledger.reader().readBytes(4);
  ledger.close();
});

describe('proof file', () => {
  test('has the layout of C2SP tlog-proof and verifies offline', () => {
    const lines = proof.split('\n');
    expect(lines.slice(0, 2)).toEqual(['c2sp.org/tlog-proof@v1', 'index 4']);
    expect(lines.indexOf('')).toBe(6);
    expect(lines[7]).toBe('example.test/ledger');
    expect(verifyProof({ proof, entry, key })).toMatchObject({ index: 4, head: { size: 11 } });
  });

  test('extra data is carried and never relied on', () => {
    const extra = new Uint8Array([1, 2, 3]);
    const text = encodeProof({ ...parseProof(proof), extra });
    expect(text.split('\n')[1]).toBe('extra AQID');
    expect(parseProof(text).extra).toEqual(extra);
    expect(verifyProof({ proof: text, entry, key }).index).toBe(4);
    expect(encodeProof(parseProof(text))).toBe(text);
  });

  test('another entry, index, hash, key or checkpoint proves nothing', () => {
    const other = entry.slice();
    other[0] ^= 1;
    expect(() => verifyProof({ proof, entry: other, key })).toThrow(
      expect.objectContaining({ code: 'LEDGER_PROOF_INVALID' }),
    );
    expect(() => verifyProof({ proof: proof.replace('index 4', 'index 5'), entry, key })).toThrow(
      expect.objectContaining({ code: 'LEDGER_PROOF_INVALID' }),
    );
    const fewer = proof.split('\n').toSpliced(3, 1).join('\n');
    expect(() => verifyProof({ proof: fewer, entry, key })).toThrow(
      expect.objectContaining({ code: 'LEDGER_PROOF_INVALID' }),
    );
    expect(() => verifyProof({ proof: proof.replace('\n11\n', '\n12\n'), entry, key })).toThrow(
      expect.objectContaining({ code: 'LEDGER_NOTE_UNTRUSTED' }),
    );
    expect(() => verifyProof({ proof, entry, key: testSigner('example.test/else') })).toThrow(
      expect.objectContaining({ code: 'LEDGER_NOTE_UNTRUSTED' }),
    );
  });

  test.each([
    ['another version', (text: string) => text.replace('@v1', '@v2')],
    ['no index', (text: string) => text.replace('index 4\n', '')],
    ['an index with a leading zero', (text: string) => text.replace('index 4', 'index 04')],
    ['an index beyond 2^53', (text: string) => text.replace('index 4', 'index 9007199254740993')],
    ['a short hash', (text: string) => text.replace(/\n[^\n]{44}\n/, '\nAAAA\n')],
    ['bad extra', (text: string) => text.replace('index', 'extra !\nindex')],
    ['109 hashes', (text: string) => text.replace('index 4\n', `index 4\n${`${'A'.repeat(43)}=\n`.repeat(109)}`)],
    ['no checkpoint', (text: string) => text.split('\n\n')[0]],
  ])('%s is malformed', (_, change) => {
    expect(() => parseProof(change(proof))).toThrow(expect.objectContaining({ code: 'LEDGER_PROOF_MALFORMED' }));
  });
});
