/** The guide's example of a server with the steps of the gateway, run as it stands there against the built package. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { builtUrl, describeWithBuilt } from '../built.ts';
import { createWorkplace, root } from './command.ts';

const example =
  /## As a library[\s\S]*?```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'docs/gateway.md'), 'utf8'))?.[1] ?? '';

const ASKING = `
server.listen(0, '127.0.0.1', async () => {
  const url = 'http://127.0.0.1:' + server.address().port;
  const ask = async (session, path = '/v2/models/total/infer', data = [1, 2, 3, 4]) => {
    const headers = { 'content-type': 'application/json', 'x-session': session };
    const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 2], data }] });
    const answer = await fetch(url + path, { method: 'POST', headers, body });
    const text = await answer.text();
    return [answer.status, answer.headers.get('x-modelward-code') ?? JSON.parse(text).outputs[0].data];
  };
  const told = [await ask('a-secret'), await ask('none'), await ask('a-secret', '/v2/models/other/infer')];
  told.push(await ask('a-secret', undefined, [1]));
  const live = await fetch(url + '/v2/health/live');
  const more = [];
  for (let n = 0; n < 5; n += 1) more.push((await ask('a-secret'))[0]);
  console.log(JSON.stringify({ told, live: live.status, more, rows: rows.length }));
  process.exit();
});`;

describeWithBuilt('a server of its own', 'gateway/index.js', () => {
  const place = createWorkplace();
  afterAll(() => {
    place.remove();
  });

  test("answers by the guide's example", () => {
    // No place comes back while it is asked.
    const unhurried = example.replace('perMinute: 60, burst: 5', 'perMinute: 1, burst: 5');
    expect(unhurried).not.toBe(example);
    const text = `${unhurried}${ASKING}`.replaceAll(`'modelward/gateway'`, `'${builtUrl('gateway/index.js')}'`);
    writeFileSync(join(place.folder, 'server.mjs'), text);
    const { stdout, stderr, status } = spawnSync(process.execPath, ['server.mjs'], {
      cwd: place.folder,
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
    const { told, live, more, rows } = JSON.parse(stdout) as Record<string, unknown>;
    expect(told).toEqual([
      [200, [3, 7]],
      [401, 'GATEWAY_CREDENTIAL_INVALID'],
      [403, 'GATEWAY_NOT_ALLOWED'],
      [400, 'GATEWAY_INPUT_SHAPE'],
    ]);
    expect(live).toBe(200);
    expect(more).toEqual([200, 200, 200, 429, 429]);
    expect(rows).toBe(5);
  });
});
