/** Nitro documents of a hypervisor of our own: accepted, and every way to be refused. */
import { describe, expect, test } from 'vitest';
import { codeOf as toCode } from '../../../test/error-code.ts';
import { type Cbor, createNitroLab, type DocumentSpec, encodeCbor, NOW_MS } from '../../../test/fakes/attest/nitro.ts';
import { concatBytes, flip, issue, makeP256, makeP384 } from '../../../test/fakes/attest/x509.ts';
import { readCbor } from './cbor.ts';
import { verifyNitro } from './verify.ts';

const lab = createNitroLab();
const verify = (document: Uint8Array, nowMs = NOW_MS) =>
  verifyNitro({ kind: 'nitro', document }, { nowMs, root: lab.root });
const codeOf = (document: Uint8Array, nowMs = NOW_MS) => toCode(() => verify(document, nowMs));

describe('a Nitro document', () => {
  test.each([true, false])('is authentic, tagged %s', (isTagged) => {
    const fields = {
      nonce: new Uint8Array(20).fill(7),
      user_data: Uint8Array.of(1, 2, 3),
      public_key: Uint8Array.of(9),
    };
    expect(verify(lab.makeDocument({ isTagged, fields }))).toMatchObject({
      ...{ kind: 'nitro', moduleId: 'i-1-enc1', timestampMs: NOW_MS, isDebug: false },
      ...{ nonceHex: '07'.repeat(20), reportDataHex: '010203', publicKeyHex: '09' },
      measurements: { 0: 'a0'.repeat(48), 2: 'a2'.repeat(48), 3: '00'.repeat(48) },
      validUntilMs: Date.parse('2025-07-01T03:00:00Z'),
    });
  });

  test('with PCR 0 of zeros is of a debug enclave', () => {
    const pcrs = new Map<number, Cbor>([[0, new Uint8Array(48)]]);
    expect(verify(lab.makeDocument({ fields: { pcrs } })).isDebug).toBe(true);
  });

  test('one bit flipped in any byte that is signed, or in the signature, is refused', () => {
    const document = lab.makeDocument();
    const accepted: number[] = [];
    for (let at = 0; at < document.length; at++) {
      if (codeOf(flip(document, at, at % 8)) === 'no error') accepted.push(at);
    }
    expect(accepted).toEqual([]);
  });
});

describe('a Nitro document is refused', () => {
  test.each<[string, string, DocumentSpec, number?]>([
    ['leaf_expired_after_three_hours', 'ATTEST_CERTIFICATE_EXPIRED', {}, Date.parse('2025-07-01T03:00:01Z')],
    ['leaf_not_yet_valid', 'ATTEST_CERTIFICATE_EARLY', {}, Date.parse('2025-06-30T23:00:00Z')],
    ['signed_by_another_key', 'ATTEST_SIGNATURE_INVALID', { key: makeP384() }],
    ['signed_with_another_hash', 'ATTEST_SIGNATURE_INVALID', { hash: 'sha256' }],
    ['algorithm_es256', 'ATTEST_EVIDENCE_MALFORMED', { algorithm: -7 }],
    [
      'protected_header_with_more',
      'ATTEST_EVIDENCE_MALFORMED',
      {
        protectedHeader: new Map<number, Cbor>([
          [1, -35],
          [2, [9]],
        ]),
      },
    ],
    [
      'downloaded_root',
      'ATTEST_ROOT_UNTRUSTED',
      (() => {
        const other = createNitroLab();
        return { signer: other.leaf, bundle: [other.rootIssued, other.inner] };
      })(),
    ],
    ['bundle_without_the_issuer', 'ATTEST_CHAIN_BROKEN', { bundle: [lab.rootIssued] }],
    ['bundle_empty', 'ATTEST_EVIDENCE_MALFORMED', { bundle: [] }],
    ['bundle_too_long', 'ATTEST_EVIDENCE_MALFORMED', { bundle: Array.from({ length: 9 }, () => lab.inner) }],
    ['ca_used_as_end_entity', 'ATTEST_CERTIFICATE_ROLE', { signer: lab.inner, bundle: [lab.rootIssued] }],
    [
      'key_of_wrong_curve',
      'ATTEST_SIGNATURE_INVALID',
      { signer: issue({ commonName: 'x', key: makeP256(), issuer: lab.inner }), key: makeP384() },
    ],
    ['digest_unknown', 'ATTEST_EVIDENCE_MALFORMED', { fields: { digest: 'SHA256' } }],
    ['module_absent', 'ATTEST_EVIDENCE_MALFORMED', { fields: { module_id: undefined } }],
    ['timestamp_negative', 'ATTEST_EVIDENCE_MALFORMED', { fields: { timestamp: -1 } }],
    ['pcrs_absent', 'ATTEST_EVIDENCE_MALFORMED', { fields: { pcrs: undefined } }],
    ['pcr_0_absent', 'ATTEST_EVIDENCE_MALFORMED', { fields: { pcrs: new Map([[1, new Uint8Array(48)]]) } }],
    ['pcr_of_wrong_length', 'ATTEST_EVIDENCE_MALFORMED', { fields: { pcrs: new Map([[0, new Uint8Array(47)]]) } }],
    [
      'pcr_number_too_high',
      'ATTEST_EVIDENCE_MALFORMED',
      {
        fields: {
          pcrs: new Map([
            [0, new Uint8Array(48)],
            [32, new Uint8Array(48)],
          ]),
        },
      },
    ],
    ['nonce_too_long', 'ATTEST_EVIDENCE_MALFORMED', { fields: { nonce: new Uint8Array(1025) } }],
    ['user_data_as_text', 'ATTEST_EVIDENCE_MALFORMED', { fields: { user_data: 'text' } }],
    ['certificate_garbage', 'ATTEST_CERTIFICATE_MALFORMED', { fields: { certificate: new Uint8Array(40) } }],
  ])('%s: %s', (_name, code, spec, nowMs) => {
    expect(codeOf(lab.makeDocument(spec), nowMs)).toBe(code);
  });

  test.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['three parts', encodeCbor([new Uint8Array(), new Map(), new Uint8Array()])],
    ['bytes after the item', concatBytes(lab.makeDocument(), Uint8Array.of(0))],
    ['truncated', lab.makeDocument().subarray(0, 500)],
    [
      'signature too short',
      encodeCbor([encodeCbor(new Map([[1, -35]])), new Map(), encodeCbor(new Map()), new Uint8Array(95)]),
    ],
  ])('document_malformed: %s', (_name, document) => {
    expect(codeOf(document)).toBe('ATTEST_EVIDENCE_MALFORMED');
  });
});

describe('CBOR', () => {
  test('what is written is read back', () => {
    const value = new Map<number | string, Cbor>([
      [1, [-35, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32, 2 ** 53 - 1]],
      ['text', 'ä'],
      ['none', null],
    ]);
    expect(readCbor(encodeCbor(value))).toEqual(value);
  });

  test.each<[string, readonly number[]]>([
    ['an indefinite length', [0x5f, 0x41, 0, 0xff]],
    ['a float', [0xf9, 0, 0]],
    ['a boolean', [0xf5]],
    ['a reserved length', [0x1c]],
    ['a number beyond 2^53', [0x1b, 0xff, 0, 0, 0, 0, 0, 0, 0]],
    ['a number that is longer than needed', [0x18, 5]],
    ['bytes that are not there', [0x5a, 0x7f, 0xff, 0xff, 0xff]],
    ['more items than any document has', [0x9a, 0xff, 0xff, 0xff, 0xff]],
    ['a key twice', [0xa2, 1, 1, 1, 2]],
    ['a key of bytes', [0xa1, 0x40, 1]],
    ['a text that is no UTF-8', [0x61, 0xff]],
    ['depth', [0x81, 0x81, 0x81, 0x81, 0x81, 0x81, 0]],
    ['bytes after the item', [0, 0]],
  ])('%s is refused', (_name, bytes) => {
    expect(toCode(() => readCbor(Uint8Array.from(bytes)))).toBe('ATTEST_EVIDENCE_MALFORMED');
  });
});
