import { afterEach, describe, expect, test, vi } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { utf8 } from '../../core/bytes.ts';
import { openSigstoreVerifier } from './verifier.ts';

// Signatures that hold are in test/oracle/model-signing.long.test.ts: they need the root of the public instance.
const toRoot = (authorities: readonly object[]): Uint8Array =>
  utf8(
    JSON.stringify({
      mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
      tlogs: [],
      ctlogs: [],
      timestampAuthorities: [],
      certificateAuthorities: authorities,
    }),
  );
const authority = { uri: '', subject: {}, certChain: { certificates: [] }, validFor: {} };

describe('keyless bundles', () => {
  afterEach(() => {
    vi.doUnmock('@sigstore/verify');
  });

  test.each([
    ['no JSON', utf8('no')],
    ['nothing', utf8('{}')],
    ['no authority', toRoot([])],
    ['more than any root takes', new Uint8Array(4 * 1024 * 1024 + 1)],
  ])('a trusted root that is %s is refused', async (_, bytes) => {
    await expect(openSigstoreVerifier(bytes)).rejects.toMatchObject({ code: 'OMS_TRUST_ROOT_MALFORMED' });
  });

  test.each(['no', '{}', '[]', 'null'])('a bundle that is %s is refused, and nothing of it is quoted', async (text) => {
    const verifier = await openSigstoreVerifier(toRoot([authority]));
    expect(codeOf(() => verifier.verify(utf8(text)))).toBe('OMS_SIGSTORE_REFUSED');
    try {
      verifier.verify(utf8('{"canary-in-a-bundle":1}'));
      expect.unreachable();
    } catch (error) {
      const { message, fields } = error as { message: string; fields: object };
      expect(`${message}${JSON.stringify(fields)}`).not.toContain('canary');
    }
  });

  test('without the packages, the refusal says which to install', async () => {
    vi.doMock('@sigstore/verify', () => {
      throw new TypeError('not installed');
    });
    const open = openSigstoreVerifier(toRoot([authority]));
    await expect(open).rejects.toMatchObject({ code: 'OMS_SIGSTORE_MISSING', row: { exit: 6 } });
  });
});
