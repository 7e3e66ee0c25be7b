import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { codeOf } from '../../../test/error-code.ts';
import { openTelemetryLink } from './index.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

interface Got {
  readonly path: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** A collector that answers so. */
async function listen(status: number | 'never', answer = '{}', headers: Record<string, string> = {}) {
  const got: Got[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      got.push({ path: request.url, headers: request.headers, body });
      if (status !== 'never') response.writeHead(status, headers).end(answer);
    });
  });
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, got };
}

const body = Buffer.from('{"resourceMetrics":[]}');

describe('a collector', () => {
  test.each(['', '/', '/otlp', '/otlp/'])('at %j gets messages below its path, with its headers', async (path) => {
    const { url, got } = await listen(200);
    const link = openTelemetryLink({ url: `${url}${path}`, headers: { 'api-key': 'k' } });
    await link.send('metrics', body);
    await link.send('traces', body);
    const base = path.startsWith('/otlp') ? '/otlp' : '';
    expect(got.map(({ path: at }) => at)).toEqual([`${base}/v1/metrics`, `${base}/v1/traces`]);
    expect(got[0]).toMatchObject({
      body: body.toString(),
      headers: { 'api-key': 'k', 'content-type': 'application/json' },
    });
  });

  test.each([
    [400, 'TELEMETRY_REFUSED'],
    [401, 'TELEMETRY_REFUSED'],
    [302, 'TELEMETRY_REFUSED'],
    [429, 'TELEMETRY_UNAVAILABLE'],
    [503, 'TELEMETRY_UNAVAILABLE'],
  ])('that answers %d is told as %s, and is not followed elsewhere', async (status, code) => {
    const other = await listen(200);
    const { url } = await listen(status, '', { location: other.url });
    const link = openTelemetryLink({ url, headers: { authorization: 'canary' } });
    const failed = link.send('metrics', body);
    await expect(failed).rejects.toMatchObject({ code, fields: { status } });
    expect(JSON.stringify(await failed.catch((error: unknown) => error))).not.toContain('canary');
    expect(other.got).toEqual([]);
  });

  test('that is away, silent or endless holds nothing up', async () => {
    const silent = await listen('never');
    const endless = await listen(200, 'x'.repeat(1_000_000));
    for (const [url, timeoutMs, fields] of [
      ['http://127.0.0.1:9', 60_000, { reason: 'ECONNREFUSED' }],
      [silent.url, 200, { reason: 'TIMEOUT' }],
      [endless.url, 60_000, {}],
    ] as const) {
      const sent = openTelemetryLink({ url, timeoutMs }).send('metrics', body);
      await expect(sent).rejects.toMatchObject({ code: 'TELEMETRY_UNAVAILABLE', fields });
    }
  });

  test.each([
    '',
    'collector',
    'http://collector.example/',
    'https://user:pw@host/',
    'https://host/?x=1',
    'ftp://host/',
  ])('address %j is refused', (url) => {
    expect(codeOf(() => openTelemetryLink({ url }))).toBe('TELEMETRY_URL_MALFORMED');
  });
});
