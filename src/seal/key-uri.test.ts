import { describe, expect, test } from 'vitest';
import { parseKeyUri } from './key-uri.ts';

describe('key URIs', () => {
  test.each([
    '/keys/kek.json',
    'relative/kek.json',
    'C:\\keys\\kek.json',
    'a b?c#d%20',
  ])('local:%s keeps its path', (path) => {
    expect(parseKeyUri(`local:${path}`)).toEqual({ scheme: 'local', path });
  });

  test.each([
    'aws-kms:arn:aws:kms:…',
    'gcp-kms:x',
    'azure-kv:x',
    'vault:x',
    'pkcs11:token=a?pin-value=1',
    'tpm2:',
    'age:x',
  ])('%s is known but not available yet', (uri) => {
    expect(() => parseKeyUri(uri)).toThrow(expect.objectContaining({ code: 'KEY_SCHEME_UNAVAILABLE' }));
  });

  test('an unknown scheme has its own code, and nothing behind the scheme is repeated', () => {
    const error = (() => {
      try {
        return parseKeyUri('ftp:user:CANARY@host');
      } catch (caught) {
        return caught;
      }
    })();
    expect(error).toMatchObject({ code: 'KEY_SCHEME_UNKNOWN', fields: { scheme: 'ftp' } });
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('CANARY');
  });

  test.each(['', 'kek.json', '/keys/kek.json', ':x', 'local:', 'local:a\0b', 'Local:x'])('%j cannot be read', (uri) => {
    expect(() => parseKeyUri(uri)).toThrow(expect.objectContaining({ code: 'KEY_URI_INVALID' }));
  });
});
