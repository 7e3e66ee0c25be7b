/** The recipes for nginx: the real nginx, with the configurations as they are but for addresses, before the real gateway. */
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { createServer as createHttps, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createWorkplace, samples } from '../e2e/command.ts';
import { BODY, INFER, type Serving } from '../e2e/serving.ts';
import { findFreePort } from '../free-port.ts';
import { describeWhere, hasProgram } from '../shared-data.ts';
import {
  ask as askAt,
  type Answer,
  type Ask,
  keepAnswer,
  readRecipe,
  type Started,
  startGateway,
  startProgram,
  waitForPort,
} from './kit.ts';

const hasNginx = hasProgram('nginx', ['-v']) && existsSync('/usr/lib/nginx/modules/ngx_stream_module.so');

describeWhere(hasNginx, 'before the gateway, nginx', 'nginx-light, libnginx-mod-stream', () => {
  const place = createWorkplace({ isOneProcess: true });
  const at = (...parts: readonly string[]): string => join(place.folder, ...parts);
  const running: Pick<Started, 'child' | 'ended'>[] = [];
  const makeKey = (name: string, ...terms: readonly string[]): string => {
    const words = ['apikey', 'create', '--name', name, '--model', 'digits', '-o', `${name}.json`, ...terms];
    expect(place.run(words).status).toBe(0);
    return (JSON.parse(readFileSync(at(`${name}.json`), 'utf8')) as { apiKey: string }).apiKey;
  };
  let gateway: Serving;
  let apiKey: string;
  let homeKey: string;
  let edgeCa: string;
  let outer: number;

  /** The recipe with the addresses of this machine: what stands in it but is not replaced would not start. */
  async function startNginx(recipe: string, upstream: number): Promise<number> {
    const port = await findFreePort();
    const name = `${recipe}-${port}`;
    const conf = readRecipe('nginx', recipe)
      .replaceAll('10.0.1.10:8443', `127.0.0.1:${upstream}`)
      .replace(/listen 443/, `listen 127.0.0.1:${port}`)
      .replaceAll('/etc/nginx/modelward/', `${at('nginx')}/`)
      .replaceAll('/var/log/nginx/', `${at('logs')}/`)
      .replace('/run/nginx.pid', at(`${name}.pid`));
    writeFileSync(at(`${name}.conf`), conf);
    const nginx = startProgram('nginx', ['-c', at(`${name}.conf`), '-g', 'daemon off;'], { cwd: place.folder });
    running.push(nginx);
    await waitForPort(port, nginx);
    return port;
  }

  beforeAll(async () => {
    for (const folder of ['models', 'nginx', 'logs']) mkdirSync(at(folder));
    copyFileSync(join(samples, 'mlp.onnx'), at('models/net.onnx'));
    // As README.md says.
    expect(place.run(['tls', 'init', 'gateway.example.com', '--out', 'edge']).status).toBe(0);
    expect(place.run(['tls', 'init', 'gateway.internal', '--client', 'nginx', '--out', 'inner']).status).toBe(0);
    for (const [from, to] of [
      ['edge/server.pem', 'server.pem'],
      ['edge/server.key', 'server.key'],
      ['inner/ca.pem', 'gateway-ca.pem'],
      ['inner/clients/nginx.pem', 'nginx.pem'],
      ['inner/clients/nginx.key', 'nginx.key'],
    ]) {
      copyFileSync(at(from), at('nginx', to));
    }
    edgeCa = readFileSync(at('edge/ca.pem'), 'utf8');
    const many = ['--per-minute', '60000', '--burst', '1000', '--concurrency', '100'];
    apiKey = makeKey('a', ...many);
    homeKey = makeKey('b', '--network', '127.0.0.2/32', ...many);
    const gatewayConfig = {
      listen: {
        port: 0,
        tls: {
          ...{ cert: 'inner/server.pem', key: 'inner/server.key' },
          ...{ clientCertificates: 'required', clientAuthorities: 'inner/ca.pem' },
        },
      },
      identity: { trustedProxies: ['127.0.0.1/32'] },
      models: [{ name: 'digits', file: 'models/net.onnx' }],
    };
    writeFileSync(at('gateway.json'), JSON.stringify(gatewayConfig));
    gateway = await startGateway(place, ['gateway.json']);
    running.push(gateway);
    outer = await startNginx('terminate.conf', gateway.port);
  });
  afterAll(async () => {
    for (const { child } of running) child.kill('SIGTERM');
    await Promise.all(running.map(({ ended }) => ended));
    place.remove();
  });

  const ask = (options: Partial<Ask> & { readonly key?: string | null } = {}): Promise<Answer> => {
    const { key = apiKey, headers, ...rest } = options;
    const credential: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
    const line = { port: outer, ca: edgeCa, servername: 'gateway.example.com' };
    return askAt({ ...line, ...rest, headers: { ...credential, ...headers } });
  };

  /** A session of HTTP/2 to nginx. */
  const connectTo = (port: number, localAddress?: string): ClientHttp2Session => {
    const from = localAddress === undefined ? {} : { localAddress };
    const line = { host: '127.0.0.1', port, ...from, servername: 'gateway.example.com', ca: edgeCa };
    const createConnection = () => connect({ ...line, ALPNProtocols: ['h2'] });
    return connectHttp2('https://gateway.example.com', { createConnection });
  };

  test('ends TLS, and answers come through as the gateway gave them: they are checked as if it were not there', async () => {
    const answer = await ask();
    expect([answer.status, answer.headers.server]).toEqual([200, 'nginx']);
    keepAnswer(at('answer.http'), answer);
    writeFileSync(at('body.json'), BODY);
    const check = ['verify-response', 'answer.http', '--request-body', 'body.json', '--path', INFER, '--key', 'a.json'];
    expect(place.run(check).status).toBe(0);
    expect((await ask({ key: null })).headers['x-modelward-code']).toBe('GATEWAY_CREDENTIAL_MISSING');
  });

  test('is the only one that the gateway lets in: who has no certificate of its authority ends in the handshake', async () => {
    const direct = { port: gateway.port, ca: readFileSync(at('inner/ca.pem'), 'utf8'), servername: 'gateway.internal' };
    await expect(askAt({ ...direct, headers: { authorization: `Bearer ${apiKey}` } })).rejects.toThrow();
  });

  test('says who asks; what callers say of it themselves is dropped', async () => {
    const home = { key: homeKey, localAddress: '127.0.0.2' };
    expect((await ask(home)).status).toBe(200);
    expect((await ask({ ...home, headers: { 'x-forwarded-for': '198.51.100.7' } })).status).toBe(200);
    const away = { key: homeKey, localAddress: '127.0.0.3' };
    for (const header of ['x-forwarded-for', 'x-real-ip', 'forwarded']) {
      const value = header === 'forwarded' ? 'for=127.0.0.2' : '127.0.0.2';
      expect((await ask({ ...away, headers: { [header]: value } })).status).toBe(403);
    }
  });

  test('hands gRPC on, with its trailers', async () => {
    const session = connectTo(outer);
    const call = session.request({
      ':method': 'POST',
      ':path': '/inference.GRPCInferenceService/ServerLive',
      ...{ 'content-type': 'application/grpc', te: 'trailers', authorization: `Bearer ${apiKey}` },
    });
    // A message without members: not compressed, 0 bytes.
    call.end(Buffer.alloc(5));
    const chunks: Buffer[] = [];
    call.on('data', (chunk: Buffer) => chunks.push(chunk));
    const [trailers] = (await once(call, 'trailers')) as [Record<string, string>];
    expect(trailers['grpc-status']).toBe('0');
    // live = true
    expect(Buffer.concat(chunks).toString('hex')).toBe('00000000020801');
    session.destroy();
  });

  test('a body above the cap is refused before the gateway hears of it, and paths go on as they were sent', async () => {
    const headers = { authorization: `Bearer ${apiKey}`, 'content-length': String(17 * 1024 * 1024) };
    const line = { host: '127.0.0.1', port: outer, ca: edgeCa, servername: 'gateway.example.com', agent: false };
    const sent = request({ ...line, method: 'POST', path: INFER, headers });
    sent.flushHeaders();
    const [refused] = (await once(sent, 'response')) as [IncomingMessage];
    expect([refused.statusCode, refused.headers['x-modelward-code']]).toEqual([413, undefined]);
    sent.destroy();
    const walked = await ask({ method: 'GET', path: '/v2/models/digits/..%2f..%2fnet.onnx' });
    expect(walked.headers['x-modelward-code']).toBe('GATEWAY_ROUTE_UNKNOWN');
  });

  test('a flood of one address is refused; nothing of it, no key and no query is in a log', async () => {
    // Over one connection they come at once, however slow the machine is.
    const flood = connectTo(outer, '127.0.0.9');
    const statuses = Array.from({ length: 150 }, async () => {
      const call = flood.request({ ':path': '/v2?secret=canary', authorization: `Bearer ${apiKey}` });
      const [headers] = (await once(call, 'response')) as [IncomingHttpHeaders];
      return headers[':status'];
    });
    expect(await Promise.all(statuses)).toContain(429);
    flood.destroy();
    expect((await ask()).status).toBe(200);
    const log = readFileSync(at('logs/access.log'), 'utf8');
    expect(log).toContain(`POST ${INFER} 200`);
    for (const secret of ['canary', apiKey]) expect(log).not.toContain(secret);
  });

  test('hands an answer on as it comes: its first part is read before the second is sent', async () => {
    let answering: ServerResponse | undefined;
    const tls = { cert: readFileSync(at('inner/server.pem')), key: readFileSync(at('inner/server.key')) };
    const slow = createHttps(
      { ...tls, ca: readFileSync(at('inner/ca.pem')), requestCert: true },
      (_asked, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: one\n\n');
        answering = response;
      },
    ).listen(0, '127.0.0.1');
    await once(slow, 'listening');
    const port = await startNginx('terminate.conf', (slow.address() as AddressInfo).port);
    const sent = request({ host: '127.0.0.1', port, ca: edgeCa, servername: 'gateway.example.com', agent: false });
    sent.end();
    const [response] = (await once(sent, 'response')) as [NodeJS.ReadableStream];
    const [first] = (await once(response, 'data')) as [Buffer];
    expect(first.toString()).toBe('data: one\n\n');
    answering?.end('data: two\n\n');
    const [second] = (await once(response, 'data')) as [Buffer];
    expect(second.toString()).toBe('data: two\n\n');
    slow.closeAllConnections();
    slow.close();
  });

  test('passes TLS on unopened: callers see the certificate of the gateway, and other names lead nowhere', async () => {
    // The gateway's own certificate is the one of the public name, and no client certificate is asked for.
    const listen = { port: 0, tls: { cert: 'edge/server.pem', key: 'edge/server.key' } };
    const config = { listen, models: [{ name: 'digits', file: 'models/net.onnx' }] };
    writeFileSync(at('plain.json'), JSON.stringify(config));
    const behind = await startGateway(place, ['plain.json']);
    running.push(behind);
    const through = await startNginx('passthrough.conf', behind.port);
    const answer = await ask({ port: through });
    expect([answer.status, answer.headers.server]).toEqual([200, undefined]);
    const socket = connect({ host: '127.0.0.1', port: through, servername: 'other.example.com', ca: edgeCa });
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
  });
});
