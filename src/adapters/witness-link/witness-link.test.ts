import { createServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { makeServerIdentity } from '../../../test/broker/tls.ts';
import { LEDGER_LIMITS } from '../../core/limits/ledger.ts';
import { openWitnessLink } from './index.ts';

const identity = makeServerIdentity();
const servers: Server[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((done) => server.close(done))));
});

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly body: string;
}

/** A server that tells what it was asked, and answers as it is told. */
async function start(
  answer: { status: number; type?: string; text: string; location?: string },
  make: typeof createServer = createServer,
): Promise<{ port: number; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = make((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      seen.push({ method: request.method, url: request.url, body: Buffer.concat(chunks).toString() });
      if (answer.type !== undefined) response.setHeader('content-type', answer.type);
      if (answer.location !== undefined) response.setHeader('location', answer.location);
      response.writeHead(answer.status).end(answer.text);
    });
  });
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { port: (server.address() as AddressInfo).port, seen };
}

const startTls = (answer: { status: number; text: string }, maxVersion?: 'TLSv1.2') =>
  start(answer, ((listener: Parameters<typeof createTlsServer>[1]) =>
    createTlsServer(
      {
        cert: Buffer.from(identity.certificatePem),
        key: Buffer.from(identity.privateKeyPem),
        ...(maxVersion === undefined ? {} : { maxVersion }),
      },
      listener,
    )) as unknown as typeof createServer);

const body = new TextEncoder().encode('old 0\n\nx');

describe('the way to a witness', () => {
  test('posts to add-checkpoint below the prefix, over TLS under the authority that is named', async () => {
    const { port, seen } = await startTls({ status: 200, text: 'lines\n' });
    const link = openWitnessLink({ url: `https://127.0.0.1:${port}/prefix/`, caPem: identity.caPem });
    const { status, body: answer } = await link.addCheckpoint(body);
    expect([status, Buffer.from(answer).toString()]).toEqual([200, 'lines\n']);
    expect(seen).toEqual([{ method: 'POST', url: '/prefix/add-checkpoint', body: 'old 0\n\nx' }]);
  });

  test('inside this machine without TLS; status and type of a conflict come through', async () => {
    const { port } = await start({ status: 409, type: 'text/x.tlog.size', text: '7\n' });
    const reply = await openWitnessLink({ url: `http://127.0.0.1:${port}` }).addCheckpoint(body);
    expect(reply).toMatchObject({ status: 409, contentType: 'text/x.tlog.size' });
  });

  test('a certificate under another authority, and TLS 1.2, end it before anything is sent', async () => {
    const other = makeServerIdentity().caPem;
    const good = await startTls({ status: 200, text: '' });
    const old = await startTls({ status: 200, text: '' }, 'TLSv1.2');
    const tries = [
      { url: `https://127.0.0.1:${good.port}`, caPem: other },
      { url: `https://127.0.0.1:${good.port}` },
      { url: `https://127.0.0.1:${old.port}`, caPem: identity.caPem },
    ];
    for (const options of tries) {
      await expect(openWitnessLink(options).addCheckpoint(body)).rejects.toMatchObject({ code: 'WITNESS_UNREACHABLE' });
    }
    expect([...good.seen, ...old.seen]).toEqual([]);
  });

  test('a redirect is not followed, and an answer above the cap is not kept', async () => {
    const { port, seen } = await start({ status: 307, text: '', location: '/elsewhere' });
    expect((await openWitnessLink({ url: `http://127.0.0.1:${port}` }).addCheckpoint(body)).status).toBe(307);
    expect(seen).toHaveLength(1);
    const large = await start({ status: 200, text: 'x'.repeat(LEDGER_LIMITS.witnessAnswerBytesMax + 1) });
    const link = openWitnessLink({ url: `http://127.0.0.1:${large.port}` });
    await expect(link.addCheckpoint(body)).rejects.toMatchObject({
      code: 'WITNESS_UNREACHABLE',
      fields: { at: 'size of the answer' },
    });
  });

  test.each([
    'http://192.0.2.1:80',
    'http://localhost:80',
    'http://127.0.0.1.example:80',
    'http://127.0.0.256/',
    'https://user:pass@witness.example',
    'https://witness.example/?x',
    'https://witness.example/#x',
    'ftp://witness.example',
    'witness.example',
    '',
  ])('the address %j is not taken', (url) => {
    expect(() => openWitnessLink({ url })).toThrow(
      expect.objectContaining({ code: 'WITNESS_ADDRESS_REFUSED' }) as Error,
    );
  });

  test('the loopback of IPv6 is taken, and nobody there is an outage', async () => {
    const link = openWitnessLink({ url: 'http://[::1]:1' });
    await expect(link.addCheckpoint(body)).rejects.toMatchObject({ code: 'WITNESS_UNREACHABLE' });
  });
});
