import { randomFillSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createOpensslTsa, type OpensslTsa, type OpensslTsaOptions } from '../../test/openssl-tsa.ts';
import { describeWithProgram } from '../../test/shared-data.ts';
import { httpTimestampAuthority } from '../adapters/tsa/index.ts';
import { utf8 } from '../core/bytes.ts';
import { type ErrorCode, SignError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { SIGN_LIMITS } from '../core/limits/sign.ts';
import { encodeDer, encodeOid, readDer, toChildren, toOidText } from './der.ts';
import { requestTimestamp, verifyTimestamp } from './timestamp.ts';
import { createTimestampRequest, parseTimestampResponse, parseTimestampToken } from './timestamp-token.ts';

const random = { fill: (into: Uint8Array) => void randomFillSync(into) };
const data = utf8('the checkpoint to be stamped\n');
const digest = sha256(data);

async function failureOf(action: () => unknown): Promise<{ code: ErrorCode | 'no error'; at: unknown }> {
  try {
    await action();
    return { code: 'no error', at: undefined };
  } catch (error) {
    if (error instanceof SignError) return { code: error.code, at: error.fields.at };
    throw error;
  }
}

describe('DER', () => {
  const malformed = (bytes: readonly number[]) =>
    failureOf(() => toChildren(readDer(Uint8Array.from(bytes)))).then(({ code }) => code);

  it('reads what it writes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70_000 }), (body) => {
        const element = readDer(encodeDer(0x04, body));
        expect(Buffer.compare(element.body, body)).toBe(0);
      }),
      { numRuns: 50 },
    );
    for (const oid of ['2.5.29.37', '1.3.6.1.5.5.7.3.8', '2.16.840.1.101.3.4.2.1', '0.0', '2.999.1']) {
      expect(toOidText(readDer(encodeOid(oid)))).toBe(oid);
    }
  });

  it('refuses indefinite, non-minimal and overlong lengths, high tags and trailing bytes', async () => {
    const cases = [
      [],
      [0x30],
      [0x30, 0x80, 0, 0],
      [0x04, 0x81, 0x01, 0],
      [0x04, 0x82, 0x00, 0x80],
      [0x04, 0x85, 0, 0, 0, 0, 1, 0],
      [0x04, 0x84, 0xff, 0xff, 0xff, 0xff],
      [0x04, 0x02, 0],
      [0x1f, 0x01, 0],
      [0x04, 0x00, 0],
      [0x30, 0x02, 0x04, 0x01],
    ];
    for (const bytes of cases) expect(await malformed(bytes), bytes.join()).toBe('SIGN_TIMESTAMP_MALFORMED');
  });
});

describe('timestamp messages', () => {
  it('asks over 32 bytes with a positive nonce of full length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (nonce) => {
        const request = createTimestampRequest({
          digest,
          random: {
            fill: (into) => {
              into.set(nonce);
            },
          },
        });
        const parts = toChildren(readDer(request.der));
        expect(parts.map(({ tag }) => tag)).toEqual([0x02, 0x30, 0x02, 0x01]);
        expect(parts[2].body).toHaveLength(16);
        expect(parts[2].body[0] & 0x80).toBe(0);
        expect(Buffer.from(parts[2].body).toString('hex')).toBe(request.nonceHex);
      }),
      { numRuns: 50 },
    );
    expect(() => createTimestampRequest({ digest: digest.subarray(1), random })).toThrow(TypeError);
  });

  it('reports a refusal with its status', async () => {
    const status = encodeDer(0x30, encodeDer(0x02, Uint8Array.of(2)));
    const failure = await failureOf(() => parseTimestampResponse(encodeDer(0x30, status)));
    expect(failure.code).toBe('SIGN_TIMESTAMP_REFUSED');
  });

  it('refuses answers and tokens that are no such thing', async () => {
    const granted = encodeDer(0x30, encodeDer(0x02, Uint8Array.of(0)));
    const bad = [
      new Uint8Array(0),
      encodeDer(0x30, granted),
      encodeDer(0x04),
      new Uint8Array(SIGN_LIMITS.timestampBytesMax + 1),
    ];
    for (const bytes of bad) {
      expect((await failureOf(() => parseTimestampResponse(bytes))).code).toBe('SIGN_TIMESTAMP_MALFORMED');
      expect((await failureOf(() => parseTimestampToken(bytes))).code).toBe('SIGN_TIMESTAMP_MALFORMED');
    }
  });
});

describeWithProgram('timestamps by openssl ts', 'openssl', ['version'], () => {
  const made: OpensslTsa[] = [];
  const create = (options?: OpensslTsaOptions) => {
    const tsa = createOpensslTsa(options);
    made.push(tsa);
    return tsa;
  };
  afterAll(() => {
    for (const tsa of made) tsa.remove();
  });
  const stamp = (tsa: OpensslTsa, roots: readonly string[] | null = [tsa.rootPem]) =>
    requestTimestamp({ authority: tsa, digest, random, roots });

  it('are verified here, and what is stored is verified by openssl ts -verify', async () => {
    const tsa = create();
    const before = Date.now();
    const { token, timestamp } = await stamp(tsa);
    expect(timestamp).toMatchObject({ isTrusted: true, authority: 'CN=test tsa' });
    expect(timestamp.info.policy).toBe('1.2.3.4.1');
    expect(Math.abs(timestamp.info.genTimeMs - before)).toBeLessThan(120_000);
    expect(tsa.verify(token, data)).toContain('Verification: OK');
    expect(verifyTimestamp({ token, digest, roots: [tsa.rootPem] }).info).toEqual(timestamp.info);
  });

  it('work with RSA keys, SHA-512 signatures, the older certificate id, and an intermediate CA', async () => {
    const rsa = ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'];
    const variants: OpensslTsaOptions[] = [
      { newKey: rsa },
      { settings: { signer_digest: 'sha512' } },
      { settings: { ess_cert_id_alg: 'sha1' } },
      { intermediate: true },
    ];
    for (const options of variants) {
      const tsa = create(options);
      const { token, timestamp } = await stamp(tsa);
      expect(timestamp.isTrusted).toBe(true);
      expect(tsa.verify(token, data)).toContain('Verification: OK');
    }
  });

  it('travel over HTTP', async () => {
    const tsa = create();
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        if (request.url === '/busy') return response.writeHead(503).end('busy');
        if (request.url === '/big') return response.end(Buffer.alloc(SIGN_LIMITS.timestampBytesMax + 1));
        if (request.url === '/away') return response.writeHead(302, { location: '/' }).end();
        expect(request.headers['content-type']).toBe('application/timestamp-query');
        response.setHeader('content-type', 'application/timestamp-reply');
        return response.end(tsa.answer(new Uint8Array(Buffer.concat(parts))));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const ask = (path: string) =>
        requestTimestamp({ authority: httpTimestampAuthority(`${base}${path}`), digest, random, roots: [tsa.rootPem] });
      expect((await ask('/')).timestamp.isTrusted).toBe(true);
      expect((await failureOf(() => ask('/busy'))).code).toBe('SIGN_TIMESTAMP_REFUSED');
      expect((await failureOf(() => ask('/away'))).code).toBe('SIGN_TIMESTAMP_REFUSED');
      expect((await failureOf(() => ask('/big'))).code).toBe('SIGN_TIMESTAMP_MALFORMED');
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    const closed = httpTimestampAuthority('http://127.0.0.1:1/');
    expect((await failureOf(() => closed.request(digest))).code).toBe('SIGN_TIMESTAMP_REFUSED');
    for (const url of ['ftp://a', 'file:///etc/passwd', 'http://me:secret@host/']) {
      expect(() => httpTimestampAuthority(url)).toThrow(TypeError);
    }
  });

  it('are refused for other data, another nonce and a replayed answer', async () => {
    const tsa = create();
    const { token } = await stamp(tsa);
    const roots = [tsa.rootPem];
    expect(await failureOf(() => verifyTimestamp({ token, digest: sha256(utf8('other')), roots }))).toEqual({
      code: 'SIGN_TIMESTAMP_MISMATCH',
      at: 'message imprint',
    });
    expect(await failureOf(() => verifyTimestamp({ token, digest, nonceHex: '40', roots }))).toEqual({
      code: 'SIGN_TIMESTAMP_MISMATCH',
      at: 'nonce',
    });
    const old = tsa.answer(createTimestampRequest({ digest, random }).der);
    const replay = { label: 'replay', request: () => Promise.resolve(old) };
    expect((await failureOf(() => requestTimestamp({ authority: replay, digest, random, roots }))).at).toBe('nonce');
  });

  it('are refused under another root, and not trusted without one', async () => {
    const tsa = create();
    const { token } = await stamp(tsa);
    const stranger = create();
    const under = (roots: readonly string[]) => failureOf(() => verifyTimestamp({ token, digest, roots }));
    expect((await under([stranger.rootPem])).code).toBe('SIGN_TIMESTAMP_UNTRUSTED');
    expect((await under([])).code).toBe('SIGN_TIMESTAMP_UNTRUSTED');
    expect((await under(['no certificate'])).code).toBe('SIGN_TIMESTAMP_UNTRUSTED');
    expect((await under([stranger.rootPem, tsa.rootPem])).code).toBe('no error');
    expect(verifyTimestamp({ token, digest, roots: null }).isTrusted).toBe(false);
  });

  it('are refused when the certificate was issued by one that is no CA', async () => {
    // Anybody whom the root gave any certificate could otherwise make an authority of his own.
    const tsa = create({ intermediate: true, intermediateExtensions: ['basicConstraints=critical,CA:FALSE'] });
    const token = parseTimestampResponse(tsa.answer(createTimestampRequest({ digest, random }).der));
    expect(verifyTimestamp({ token, digest, roots: null }).isTrusted).toBe(false);
    const failure = await failureOf(() => verifyTimestamp({ token, digest, roots: [tsa.rootPem] }));
    expect(failure.code).toBe('SIGN_TIMESTAMP_UNTRUSTED');
  });

  it('are refused from certificates that are not for timestamps alone', async () => {
    const { content } = parseTimestampToken((await stamp(create())).token);
    const usual = ['basicConstraints=CA:FALSE', 'keyUsage=critical,digitalSignature'];
    const usages = [
      [],
      ['extendedKeyUsage=critical,serverAuth'],
      ['extendedKeyUsage=timeStamping'],
      ['extendedKeyUsage=critical,timeStamping,codeSigning'],
    ];
    for (const usage of usages) {
      const tsa = create({ extensions: [...usual, ...usage] });
      const token = tsa.signContent(content);
      expect(await failureOf(() => verifyTimestamp({ token, digest, roots: [tsa.rootPem] }))).toEqual({
        code: 'SIGN_TIMESTAMP_INVALID',
        at: 'extended key usage',
      });
    }
  });

  it('are refused without a bound certificate, and at a time when the certificate was not valid', async () => {
    const tsa = create();
    const { content } = parseTimestampToken((await stamp(tsa)).token);
    const roots = [tsa.rootPem];
    const fit = tsa.signContent(content);
    expect(verifyTimestamp({ token: fit, digest, roots }).isTrusted).toBe(true);
    const unbound = tsa.signContent(content, { withCertificateId: false });
    expect((await failureOf(() => verifyTimestamp({ token: unbound, digest, roots }))).at).toBe('signing certificate');
    const timed = (year: string) => {
      const bytes = Buffer.from(content);
      const at = bytes.indexOf(Buffer.from([0x18, 0x0f])) + 2;
      bytes.write(year, at, 'latin1');
      return tsa.signContent(new Uint8Array(bytes));
    };
    for (const year of ['1999', '2999']) {
      const failure = await failureOf(() => verifyTimestamp({ token: timed(year), digest, roots }));
      expect(failure.code).toBe('SIGN_TIMESTAMP_UNTRUSTED');
    }
    expect((await failureOf(() => verifyTimestamp({ token: timed('20x6'), digest, roots }))).at).toBe('genTime');
  });

  it('never verify with another meaning after any changed byte', async () => {
    const tsa = create();
    const { token, timestamp } = await stamp(tsa);
    const outcomes = new Map<string, number>();
    for (let at = 0; at < token.length; at++) {
      const altered = token.slice();
      altered[at] ^= 1 << (at % 8);
      const failure = await failureOf(() => {
        const verified = verifyTimestamp({ token: altered, digest, roots: [tsa.rootPem] });
        expect(verified.info).toEqual(timestamp.info);
      });
      outcomes.set(failure.code, (outcomes.get(failure.code) ?? 0) + 1);
    }
    expect([...outcomes.keys()].sort()).toEqual(
      expect.arrayContaining(['SIGN_TIMESTAMP_INVALID', 'SIGN_TIMESTAMP_MALFORMED']),
    );
    for (let length = 0; length < token.length; length += 7) {
      const failure = await failureOf(() => verifyTimestamp({ token: token.slice(0, length), digest, roots: null }));
      expect(failure.code).toBe('SIGN_TIMESTAMP_MALFORMED');
    }
  });
});
