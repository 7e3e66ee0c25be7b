/** The gateway and a server behind count the same requests, whatever bytes a client sends (RFC 9112, section 11.2). */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Started, startProgram, waitForPort } from '../../deploy/kit.ts';
import { findFreePort } from '../../free-port.ts';
import { describeWithProgram } from '../../shared-data.ts';
import { type Opened, useGateways } from '../proxy-kit.ts';
import { connection, sendAndGo } from './desync-cases.ts';

const open = useGateways();

/** Sends many connections; `listAsked` gives the lines of requests that the server has seen since it was called last. */
async function check(
  { port, quiet, rows, faults }: Opened,
  listAsked: () => Promise<readonly string[]>,
): Promise<void> {
  let answered = 0;
  const property = fc.asyncProperty(connection, async (bytes) => {
    rows.length = 0;
    const told = await sendAndGo(port, bytes);
    await quiet();
    const count = (...statuses: readonly number[]): number =>
      rows.filter(({ status }) => statuses.includes(status)).length;
    const asked = await listAsked();
    expect(asked).toEqual(Array<string>(asked.length).fill('POST /predictions/inner'));
    // 499: the client went away before its answer.
    expect([count(200) <= asked.length, asked.length <= count(200, 499)]).toEqual([true, true]);
    expect(told.match(/HTTP\/1\.1 200 /g)?.length ?? 0).toBeLessThanOrEqual(asked.length);
    expect(told).not.toContain('HTTP/1.1 5');
    answered += asked.length;
  });
  await fc.assert(property, { numRuns: 400, seed: 20261121 });
  expect(answered).toBeGreaterThan(300);
  expect(faults).toEqual([]);
}

test('connections of doubtful requests: as many reach the server as the gateway has counted, and never a hidden one', async () => {
  const opened = await open();
  const { behind } = opened;
  let hidden = 0;
  behind.answer = (_request, response, body) => {
    if (body.includes('POST /')) hidden += 1;
    response.writeHead(200, { 'content-type': 'application/json' }).end('[[1,2]]');
  };
  await check(opened, () => Promise.resolve(behind.asked.splice(0)));
  // Requests that came as what they are: bytes of a body.
  expect(hidden).toBeGreaterThan(100);
});

const toConfig = (folder: string, port: number): string => `
daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 256; }
http {
  log_format line '$request_method $request_uri';
  access_log ${folder}/access.log line;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  keepalive_requests 100000;
  server { listen 127.0.0.1:${port}; default_type application/json; location / { return 200 '[[1,2]]'; } }
}
`;

describeWithProgram('in front of nginx', 'nginx', ['-v'], () => {
  let [folder, url]: [string, string] = ['', ''];
  let nginx: Started;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'modelward-desync-'));
    const port = await findFreePort();
    writeFileSync(join(folder, 'nginx.conf'), toConfig(folder, port));
    nginx = startProgram('nginx', ['-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], { cwd: folder });
    await waitForPort(port, nginx);
    url = `http://127.0.0.1:${port}`;
  });
  afterAll(async () => {
    nginx.child.kill('SIGTERM');
    await nginx.ended;
    rmSync(folder, { recursive: true });
  });

  test('as many reach it as the gateway has counted, and never a hidden one', async () => {
    let [seen, marks] = [0, 0];
    const listAsked = async (): Promise<readonly string[]> => {
      // One process writes its log in the order of the ends: what is before this mark is all.
      const mark = `/mark-${marks++}`;
      await new Promise((done, fail) => {
        const sent = request(`${url}${mark}`, { agent: false }, (response) => response.resume().on('end', done));
        sent.on('error', fail).end();
      });
      const read = (): string[] => readFileSync(join(folder, 'access.log'), 'utf8').split('\n').slice(seen, -1);
      let lines = read();
      for (; lines.at(-1) !== `GET ${mark}`; lines = read()) await new Promise((done) => setTimeout(done, 2));
      seen += lines.length;
      return lines.slice(0, -1);
    };
    await check(await open({ url }), listAsked);
  });
});
