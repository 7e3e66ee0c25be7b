/** Files that answers and keys are kept in. */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { utf8 } from '../../core/bytes.ts';
import { readPublicKey, readResponse, readTagKey, readWholeResponse, toPublicPem } from './index.ts';

describe('files of answers', () => {
  test('of "curl -i", with interim answers before; of "curl -D" and a body', () => {
    const text = 'HTTP/2 200 \r\na: 1\r\nA:  2 \r\n\r\n';
    for (const before of [
      '',
      'HTTP/1.1 200 Connection established\r\n\r\n',
      'HTTP/1.1 103 Early Hints\r\nb: 1\r\n\r\n',
    ]) {
      const { status, headers, body } = readWholeResponse(utf8(`${before}${text}HTTP/1.1 is a text\n`));
      expect({ status, headers: [...headers], body: Buffer.from(body).toString() }).toEqual({
        ...{ status: 200, headers: [['a', '1, 2']], body: 'HTTP/1.1 is a text\n' },
      });
    }
    expect(readResponse(utf8(text), utf8('x')).body).toEqual(utf8('x'));
    expect(readResponse(utf8('HTTP/1.1 204\na: 1'), utf8('')).status).toBe(204);
  });

  test.each([
    '',
    'HTTP/1.1 20\r\n\r\n',
    'HTTP/1.1 200 OK\r\nno header\r\n\r\n',
    `HTTP/1.1 200 OK\r\na: ${'b'.repeat(300_000)}\r\n\r\n`,
  ])('are refused where they are none: %#', (text) => {
    expect(codeOf(() => readWholeResponse(utf8(text)))).toBe('INTEGRITY_FILE_MALFORMED');
  });

  test('headers with a body behind them are no file of headers', () => {
    expect(codeOf(() => readResponse(utf8('HTTP/1.1 200 OK\r\n\r\nx'), utf8('')))).toBe('INTEGRITY_FILE_MALFORMED');
  });

  test.each([
    '',
    '{}',
    '{"keyId":"k_A","tagKey":"AAAA"}',
    `{"keyId":"k_A","tagKey":"${'A'.repeat(42)}B"}`,
  ])('a key file is refused where it is none: %s', (text) => {
    expect(codeOf(() => readTagKey(utf8(text)))).toBe('INTEGRITY_FILE_MALFORMED');
  });

  test('a public key is taken in PEM and in base64; a private one, or one of another kind, is none', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const der = publicKey.export({ format: 'der', type: 'spki' });
    const pem = toPublicPem(new Uint8Array(der));
    for (const text of [pem, der.toString('base64')]) expect(readPublicKey(utf8(text))).toEqual(new Uint8Array(der));
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
    const wrong = [
      privateKey.export({ format: 'pem', type: 'pkcs8' }) as string,
      other.export({ format: 'pem', type: 'spki' }) as string,
      ...['', 'AAAA', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'],
    ];
    for (const text of wrong) expect(codeOf(() => readPublicKey(utf8(text)))).toBe('INTEGRITY_FILE_MALFORMED');
  });
});
