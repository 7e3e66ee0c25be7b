import { describe, expect, test } from 'vitest';
import { testSigner } from '../../test/fakes/ledger-kit.ts';
import { testCosigner } from '../../test/fakes/witness-kit.ts';
import { u64be, utf8 } from '../core/bytes.ts';
import {
  cosign,
  encodeCosignerKey,
  encodeVerifierKey,
  findCosignature,
  type Note,
  parseCosignerKey,
  parseNote,
  parseVerifierKey,
  signCheckpoint,
  toWitnessPolicy,
  verifyCheckpoint,
  verifyCosignatures,
} from './index.ts';
import { encodeNote } from './note.ts';

// The example of C2SP tlog-cosignature: a checkpoint, its log and one witness.
const EXAMPLE = `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
`;
// A public witness's key, as its operator publishes it.
const PUBLISHED = 'remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2';
const TIME = 1_767_225_600;

const signer = testSigner();
const cosigner = testCosigner();
const other = testCosigner('witness.example/w2');
const checkpoint = signCheckpoint({ size: 5, root: new Uint8Array(32).fill(7) }, signer);
const note = parseNote(utf8(checkpoint));
const coded = (code: string) => expect.objectContaining({ code }) as Error;

function cosigned(...lines: Note['signatures']): string {
  return encodeNote({ text: note.text, signatures: [...note.signatures, ...lines] });
}

describe('cosignature', () => {
  test('the example of the specification has the time that its signed message names', () => {
    const [, { name, keyId, bytes }] = parseNote(utf8(EXAMPLE)).signatures;
    expect({ name, keyId, length: bytes.length }).toEqual({
      name: 'witness.example.com/w1',
      keyId: 0x8d66cf3f,
      length: 72,
    });
    expect(bytes.subarray(0, 8)).toEqual(u64be(1_679_315_147));
    expect(encodeNote(parseNote(utf8(EXAMPLE)))).toBe(EXAMPLE);
  });

  test("a witness's published key is read and spelled again, and is no key of a log", () => {
    expect(encodeCosignerKey(parseCosignerKey(PUBLISHED))).toBe(PUBLISHED);
    expect(() => parseVerifierKey(PUBLISHED)).toThrow(coded('LEDGER_KEY_MALFORMED'));
    expect(() => parseCosignerKey(encodeVerifierKey(signer))).toThrow(coded('LEDGER_KEY_MALFORMED'));
    expect(cosigner.keyId).not.toBe(testSigner(cosigner.name).keyId);
  });

  test('round trip: the time comes back, the signature of the log still holds, extension lines are covered', () => {
    const text = cosigned(cosign(note.text, TIME, cosigner));
    expect(findCosignature(parseNote(utf8(text)), cosigner)).toEqual({
      name: cosigner.name,
      keyId: cosigner.keyId,
      timeSeconds: TIME,
    });
    expect(verifyCheckpoint(text, signer).size).toBe(5);
    const extended = `${note.text}extension\n`;
    const signature = cosign(extended, TIME, cosigner);
    expect(findCosignature({ text: extended, signatures: [signature] }, cosigner)?.timeSeconds).toBe(TIME);
    expect(() => findCosignature({ text: note.text, signatures: [signature] }, cosigner)).toThrow(
      coded('LEDGER_COSIGNATURE_INVALID'),
    );
  });

  test('one bit flipped anywhere in time, signature or text is refused', () => {
    const signature = cosign(note.text, TIME, cosigner);
    for (let bit = 0; bit < signature.bytes.length * 8; bit += 1) {
      const bytes = signature.bytes.slice();
      bytes[bit >> 3] ^= 1 << (bit & 7);
      const forged = { text: note.text, signatures: [{ ...signature, bytes }] };
      expect(() => findCosignature(forged, cosigner)).toThrow(coded('LEDGER_COSIGNATURE_INVALID'));
    }
    const elsewhere = { text: note.text.replace('\n5\n', '\n6\n'), signatures: [signature] };
    expect(() => findCosignature(elsewhere, cosigner)).toThrow(coded('LEDGER_COSIGNATURE_INVALID'));
  });

  test.each([
    ['a time after the year 9999', 253_402_300_800],
    ['a time that numbers cannot hold', Number.MAX_SAFE_INTEGER],
  ])('%s is refused even when signed', (_, timeSeconds) => {
    const signatures = [cosign(note.text, timeSeconds, cosigner)];
    expect(() => findCosignature({ text: note.text, signatures }, cosigner)).toThrow(
      coded('LEDGER_COSIGNATURE_INVALID'),
    );
  });

  test('a signature of a log with the key and name of the witness is no cosignature', () => {
    const { name, keyId } = cosigner;
    const signatures = [{ name, keyId, bytes: cosigner.sign(utf8(note.text)) }];
    expect(() => findCosignature({ text: note.text, signatures }, cosigner)).toThrow(
      coded('LEDGER_COSIGNATURE_INVALID'),
    );
  });

  test('of several by one witness the oldest counts, once; a wrong one beside a right one spoils the note', () => {
    const lines = [TIME + 9, TIME, TIME + 3].map((time) => cosign(note.text, time, cosigner));
    const found = verifyCosignatures(cosigned(...lines), { keys: [cosigner, other], required: 1 });
    expect(found.map(({ timeSeconds }) => timeSeconds)).toEqual([TIME]);
    const spoiled = cosigned(...lines, { ...lines[0], bytes: lines[0].bytes.slice(0, 71) });
    expect(() => verifyCosignatures(spoiled, { keys: [cosigner], required: 1 })).toThrow(
      coded('LEDGER_COSIGNATURE_INVALID'),
    );
  });

  test('k of n: enough is enough, one too few is refused with what was found, unknown witnesses do not count', () => {
    const third = testCosigner('witness.example/w3');
    const text = cosigned(cosign(note.text, TIME, cosigner), cosign(note.text, TIME, third));
    const keys = [cosigner, other];
    expect(verifyCosignatures(text, { keys: [cosigner, other, third], required: 2 })).toHaveLength(2);
    expect(verifyCosignatures(text, { keys, required: 1 })).toHaveLength(1);
    expect(() => verifyCosignatures(text, { keys, required: 2 })).toThrow(
      expect.objectContaining({
        code: 'LEDGER_WITNESSES_MISSING',
        fields: { required: 2, found: 1, named: [cosigner.name, other.name] },
      }) as Error,
    );
  });

  test.each([
    ['more than are named', { keys: [cosigner], required: 2 }],
    ['a part of one', { keys: [cosigner], required: 0.5 }],
    ['one key twice', { keys: [cosigner, cosigner] }],
    ['one key under two names', { keys: [cosigner, { ...cosigner, name: 'another' }] }],
    ["the ledger's own key", { keys: [{ ...cosigner, publicKey: signer.publicKey }] }],
  ])('a policy that asks for %s cannot be counted', (_, asked) => {
    expect(() => toWitnessPolicy({ ...asked, ledgerKey: signer })).toThrow(coded('WITNESS_POLICY_INVALID'));
  });
});
