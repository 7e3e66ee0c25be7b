import { describe, expect, test } from 'vitest';
import { testSigner } from '../../test/fakes/ledger-kit.ts';
import { findBase64Bytes, utf8 } from '../core/bytes.ts';
import {
  createEd25519Signer,
  encodeVerifierKey,
  parseNote,
  parseVerifierKey,
  signCheckpoint,
  signNote,
  verifyCheckpoint,
  verifyNote,
} from './index.ts';

// The example of Go's golang.org/x/mod/sumdb/note, with both of its keys.
const TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const VKEY = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const SKEY = 'AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz';
const SIGNATURE =
  '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';
const SECOND =
  '— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n';
// The example of C2SP signed-note: its text has a blank line.
const C2SP = `Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
`;
// The example of C2SP tlog-checkpoint.
const CHECKPOINT = `example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
`;

const key = parseVerifierKey(VKEY);
const coded = (code: string) => expect.objectContaining({ code }) as Error;

describe('signed note', () => {
  test('signs and verifies the example of the reference implementation byte for byte', () => {
    const seed = findBase64Bytes(SKEY)!.slice(1);
    const signer = createEd25519Signer({ name: 'PeterNeumann', seed });
    expect(encodeVerifierKey(signer)).toBe(VKEY);
    expect(signNote(TEXT, signer)).toBe(`${TEXT}\n${SIGNATURE}`);
    expect(verifyNote(utf8(`${TEXT}\n${SIGNATURE}`), key)).toBe(TEXT);
    signer.close();
    expect(() => signNote(TEXT, signer)).toThrow(TypeError);
  });

  test('ignores signatures of unknown keys, in any order', () => {
    for (const signatures of [SIGNATURE + SECOND, SECOND + SIGNATURE]) {
      expect(verifyNote(utf8(`${TEXT}\n${signatures}`), key)).toBe(TEXT);
      expect(parseNote(utf8(`${TEXT}\n${signatures}`)).signatures).toHaveLength(2);
    }
    expect(() => verifyNote(utf8(`${TEXT}\n${SECOND}`), key)).toThrow(coded('LEDGER_NOTE_UNTRUSTED'));
  });

  test('parses the C2SP examples', () => {
    expect(parseNote(utf8(C2SP))).toMatchObject({
      text: 'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n',
      signatures: [{ name: 'quasimodo.example/salvatore', keyId: 0x367ba04b }],
    });
    expect(parseNote(utf8(CHECKPOINT)).signatures[0]).toMatchObject({ keyId: 0x033de0ae });
  });

  test('one bit flipped anywhere in the text or the signature is refused', () => {
    const bytes = utf8(`${TEXT}\n${SIGNATURE}`);
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const forged = bytes.slice();
      forged[bit >> 3] ^= 1 << (bit & 7);
      expect(() => verifyNote(forged, key)).toThrow();
    }
  });

  test('a wrong signature beside a right one of the same key spoils the note', () => {
    const wrong = SIGNATURE.replace('ZJkuBS9UG', 'ZJkuBS9UH');
    expect(() => verifyNote(utf8(`${TEXT}\n${SIGNATURE}${wrong}`), key)).toThrow(coded('LEDGER_NOTE_UNTRUSTED'));
  });

  test.each([
    ['no blank line', TEXT + SIGNATURE],
    ['no signature', `${TEXT}\n`],
    ['no final newline', `${TEXT}\n${SIGNATURE.trimEnd()}`],
    ['a control character', `\t${TEXT}\n${SIGNATURE}`],
    ['a hyphen for the dash', `${TEXT}\n${SIGNATURE.replace('—', '-')}`],
    ['a name with a plus', `${TEXT}\n${SIGNATURE.replace('Peter', 'Pet+r')}`],
    ['two spaces', `${TEXT}\n${SIGNATURE.replace('— ', '—  ')}`],
    ['a short signature', `${TEXT}\n— PeterNeumann x08gow==\n`],
    ['unpadded base64', `${TEXT}\n${SIGNATURE.replace('=', '')}`],
    ['101 signatures', `${TEXT}\n${SIGNATURE.repeat(101)}`],
    ['131,073 bytes', `${'x'.repeat(131_073)}\n\n${SIGNATURE}`],
  ])('%s is no note', (_, text) => {
    expect(() => parseNote(utf8(text))).toThrow(coded('LEDGER_NOTE_MALFORMED'));
  });

  test('bytes that are no UTF-8 are no note', () => {
    const bytes = utf8(`${TEXT}\n${SIGNATURE}`);
    bytes[3] = 0xff;
    expect(() => parseNote(bytes)).toThrow(coded('LEDGER_NOTE_MALFORMED'));
  });

  test.each([
    ['nothing', ''],
    ['no parts', 'PeterNeumann'],
    ['another key id', VKEY.replace('c74f20a3', 'c74f20a4')],
    ['another algorithm', VKEY.replace('+AR', '+BR')],
    ['a short key', 'PeterNeumann+c74f20a3+ARpc'],
    ['a name with a space', VKEY.replace('PeterN', 'Peter N')],
    ['a newline', `${VKEY}\n`],
  ])('%s is no verifier key', (_, text) => {
    expect(() => parseVerifierKey(text)).toThrow(coded('LEDGER_KEY_MALFORMED'));
  });

  test('a signer needs a name and a seed', () => {
    expect(() => createEd25519Signer({ name: 'a b', seed: new Uint8Array(32) })).toThrow(TypeError);
    expect(() => createEd25519Signer({ name: 'a', seed: new Uint8Array(31) })).toThrow(TypeError);
    expect(() => signNote('no newline', testSigner())).toThrow(TypeError);
  });
});

describe('checkpoint', () => {
  const signer = testSigner('example.test/log');
  const root = new Uint8Array(32).fill(7);

  test('round trip; extension lines are allowed', () => {
    expect(verifyCheckpoint(signCheckpoint({ size: 5, root }, signer), signer)).toEqual({ size: 5, root });
    const body = signCheckpoint({ size: 5, root }, signer).split('\n\n')[0];
    expect(verifyCheckpoint(signNote(`${body}\nextension\n`, signer), signer).size).toBe(5);
  });

  const rootText = Buffer.from(root).toString('base64');
  test.each([
    ['another origin', `example.test/other\n5\n${rootText}\n`],
    ['a leading zero', `example.test/log\n05\n${rootText}\n`],
    ['a sign', `example.test/log\n-5\n${rootText}\n`],
    ['a size beyond 2^53', `example.test/log\n9007199254740993\n${rootText}\n`],
    ['a short root', `example.test/log\n5\n${rootText.slice(4)}\n`],
    ['no root', 'example.test/log\n5\n'],
    ['an empty extension', `example.test/log\n5\n${rootText}\n\nx\n`],
  ])('%s is refused even when signed', (_, text) => {
    const note = signNote(text, signer);
    expect(() => verifyCheckpoint(note, signer)).toThrow(coded('LEDGER_CHECKPOINT_MALFORMED'));
  });
});
