/** The way to issuers against a server on this machine that misbehaves in every way that is named. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { makeServerIdentity } from '../../../test/broker/tls.ts';
import { serveTls } from '../../../test/endpoint-server.ts';
import { GatewayError } from '../../core/errors.ts';
import { openJwksLink } from './index.ts';

const identity = makeServerIdentity();
let server: Awaited<ReturnType<typeof serveTls>> | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** What becomes of one question to a server that answers so. */
async function ask(answer: Answer, options: { readonly isTrusted?: boolean; readonly timeoutMs?: number } = {}) {
  const { isTrusted = true, timeoutMs = 60_000 } = options;
  server = await serveTls(identity, answer);
  const url = `${server.url}/keys`;
  const link = openJwksLink({ timeoutMs, ...(isTrusted ? { caPem: identity.caPem } : {}) });
  try {
    return { body: Buffer.from(await link.get(url)).toString() };
  } catch (error) {
    if (error instanceof GatewayError) return { code: error.code, fields: error.fields };
    throw error;
  }
}

test('an answer comes whole', async () => {
  expect(await ask((_request, response) => response.end('{"keys":[]}'))).toEqual({ body: '{"keys":[]}' });
});

describe('fails closed', () => {
  test('with a redirect, which is not followed', async () => {
    let asked = 0;
    const result = await ask((_request, response) => {
      asked += 1;
      response.writeHead(302, { location: '/other' }).end();
    });
    expect(result).toEqual({ code: 'JWKS_UNAVAILABLE', fields: { reason: 'status', status: 302 } });
    expect(asked).toBe(1);
  });

  test('with an answer that is too large, cut off, or late', async () => {
    expect(await ask((_request, response) => response.end(Buffer.alloc(256 * 1024 + 1)))).toEqual({
      ...{ code: 'JWKS_MALFORMED', fields: { at: 'size' } },
    });
    const cut = await ask((_request, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('{');
      setTimeout(() => response.destroy(), 20);
    });
    expect(cut).toMatchObject({ code: 'JWKS_UNAVAILABLE' });
    const late = await ask((_request, response) => response.writeHead(200).write('{'), { timeoutMs: 150 });
    expect(late).toEqual({ code: 'JWKS_UNAVAILABLE', fields: { reason: 'time' } });
  });

  test('with a certificate of nobody that is trusted', async () => {
    expect(await ask((_request, response) => response.end('{}'), { isTrusted: false })).toMatchObject({
      code: 'JWKS_UNAVAILABLE',
    });
  });

  test.each(['http://127.0.0.1/keys', 'file:///etc/passwd', 'x'])('with the address "%s"', async (url) => {
    await expect(openJwksLink().get(url)).rejects.toMatchObject({
      code: 'JWKS_UNAVAILABLE',
      fields: { reason: 'address' },
    });
  });
});
