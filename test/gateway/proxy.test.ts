/** The data path from socket to socket, in front of servers that speak each protocol: what gets through, and what never does. */
import { request as sendHttp } from 'node:http';
import { describe, expect, test } from 'vitest';
import { ALL, ask, type Behind, CALLS, CANARY, JSON_TYPE, useGateways } from './proxy-kit.ts';

const open = useGateways();
const NAMES = Object.keys(CALLS);

/** Names, paths and versions of the server in each header that it could say them in. */
const LEAKY = {
  server: `Triton/${CANARY}`,
  'x-powered-by': CANARY,
  via: CANARY,
  'x-model-path': `/models/${CANARY}`,
  'set-cookie': CANARY,
  'x-request-id': CANARY,
  etag: CANARY,
};

function answerWell(behind: Behind, name: string): void {
  behind.answer = (_request, response) => {
    response.writeHead(200, { ...LEAKY, 'content-type': 'application/json' });
    response.end(CALLS[name].behind);
  };
}

describe.each(NAMES)('%s', (name) => {
  test('goes through by the path of its table, with headers from a closed list both ways', async () => {
    const { behind, port, rows, quiet } = await open();
    answerWell(behind, name);
    const { asked, path } = CALLS[name];
    const told = await ask(port, {
      ...asked,
      path: `${asked.path}?debug=1`,
      headers: {
        ...asked.headers,
        cookie: 'a=b',
        'x-forwarded-for': '1.2.3.4',
        'x-triton-path': '/etc',
        te: 'trailers',
      },
    });
    expect([told.status, behind.asked]).toEqual([200, [path]]);
    expect(Object.keys(behind.heads[0]).sort()).toEqual(
      ['accept-encoding', 'connection', 'content-length', 'content-type', 'host'].sort(),
    );
    expect(told.all).not.toContain(CANARY);
    expect(told.all).not.toContain('inner');
    await quiet();
    expect(rows.map(({ status, code }) => [status, code])).toEqual([[200, null]]);
  });

  test.each([400, 401, 404, 500, 503])('an error of the server (%s) is rewritten', async (status) => {
    const { behind, port, quiet, faults } = await open();
    behind.answer = (_request, response) => {
      response.writeHead(status, CANARY, { ...LEAKY, 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: `no file /models/${CANARY}/1/model.onnx at 127.0.0.1` }));
    };
    const told = await ask(port, CALLS[name].asked);
    expect([told.status, told.headers['x-modelward-code']]).toEqual([502, 'GATEWAY_UPSTREAM_REFUSED']);
    expect(told.all).not.toContain(CANARY);
    expect(told.all).not.toContain(behind.url.slice('http://'.length));
    expect(faults).toEqual([]);
    await quiet();
  });

  test('without a credential nothing is asked', async () => {
    const { behind, port } = await open();
    const told = await ask(port, {
      ...CALLS[name].asked,
      headers: { ...CALLS[name].asked.headers, authorization: 'Bearer bad' },
    });
    expect([told.status, behind.asked]).toEqual([401, []]);
  });

  test('a caller that goes away ends the request to the server, and his place is free', async () => {
    const { behind, port, permits, rows, quiet } = await open({ concurrency: 1 });
    const arrived = new Promise<void>((done) => {
      behind.answer = () => {
        done();
      };
    });
    const { path, headers, body } = CALLS[name].asked;
    const sent = sendHttp({
      host: '127.0.0.1',
      port,
      method: 'POST',
      path,
      headers: { ...headers, authorization: 'Bearer good' },
    });
    sent.on('error', () => undefined);
    sent.end(body);
    await arrived;
    expect(permits.count).toBe(1);
    sent.destroy();
    await quiet();
    expect(rows.map(({ status, code }) => [status, code])).toEqual([[499, 'GATEWAY_STREAM_CUT']]);
    answerWell(behind, name);
    expect((await ask(port, CALLS[name].asked)).status).toBe(200);
  });
});

test.each([
  ['GET', '/v2/repository/index'],
  ['POST', '/v2/repository/index'],
  ['POST', '/v2/repository/models/oip-model/load'],
  ['POST', '/v2/repository/models/oip-model/unload'],
  ['GET', '/v2/models/oip-model/config'],
  ['GET', '/v2/models/oip-model/stats'],
  ['POST', '/v2/models/oip-model/generate'],
  ['GET', '/v2/systemsharedmemory/status'],
  ['POST', '/v2/logging'],
  ['GET', '/v2/trace/setting'],
  ['GET', '/metrics'],
  ['GET', '/models'],
  ['POST', '/models'],
  ['GET', '/management/models'],
  ['PUT', '/models/oip-model'],
  ['GET', '/v1/files'],
  ['POST', '/v1/load_lora_adapter'],
  ['POST', '/v1/fine_tuning/jobs'],
  ['GET', '/props'],
  ['GET', '/slots'],
  ['POST', '/explanations/torchserve-model'],
  ['GET', '/model.onnx'],
  ['GET', '/v2/models/oip-model/../../repository/index'],
  ['GET', '/v2/models/%2e%2e/ready'],
  ['POST', '/v2/models/oip-model%2f..%2frepository/infer'],
  ['POST', '/v2//models/oip-model/infer'],
  ['GET', '/v2/models/oip-model/infer'],
])('%s %s never reaches a server', async (method, path) => {
  const { behind, port } = await open();
  const told = await ask(port, { method, path, headers: JSON_TYPE, body: method === 'GET' ? '' : '{}' });
  expect(told.status).toBeGreaterThanOrEqual(400);
  expect(told.status).toBeLessThan(500);
  expect(behind.asked).toEqual([]);
});

describe('answers of a server', () => {
  test.each([
    [
      'of another shape',
      '{"outputs":[{"name":"y","datatype":"FP32","shape":[1,3],"data":[1,2,3]}]}',
      'GATEWAY_ANSWER_SHAPE',
    ],
    [
      'of another name',
      `{"outputs":[{"name":"${CANARY}","datatype":"FP32","shape":[1,2],"data":[1,2]}]}`,
      'GATEWAY_ANSWER_SHAPE',
    ],
    ['that are no JSON', `<html>${CANARY}</html>`, 'GATEWAY_UPSTREAM_MALFORMED'],
    ['that are weights', 'x'.repeat(200_000), 'GATEWAY_ANSWER_TOO_LARGE'],
  ])('%s are refused', async (_name, body, code) => {
    const { behind, port, quiet } = await open({ limits: { answerBytesMax: 100_000 } });
    behind.answer = (_request, response) =>
      response.writeHead(200, { ...LEAKY, 'content-type': 'application/json' }).end(body);
    const told = await ask(port, CALLS.oip.asked);
    expect([told.status, told.headers['x-modelward-code']]).toEqual([502, code]);
    expect(told.all).not.toContain(CANARY);
    await quiet();
  });

  test('in binary go through whole, and are read for the policy of the key', async () => {
    const json = '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]}';
    const asked = {
      path: '/v2/models/oip-model/versions/7/infer',
      headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(json.length) },
      body: Buffer.concat([Buffer.from(json), Buffer.from(Float32Array.of(1, 2).buffer)]),
    };
    for (const policy of [ALL, { ...ALL, topK: 1 }]) {
      const { behind, port } = await open({ policy });
      let given: Buffer = Buffer.alloc(0);
      behind.answer = (_request, response, body) => {
        given = body;
        const head = '{"outputs":[{"name":"y","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]}';
        const headers = { 'content-type': 'application/octet-stream', 'inference-header-content-length': head.length };
        response
          .writeHead(200, headers)
          .end(Buffer.concat([Buffer.from(head), Buffer.from(Float32Array.of(0.25, 0.75).buffer)]));
      };
      const told = await ask(port, asked);
      expect([told.status, behind.asked, given.equals(asked.body)]).toEqual([
        200,
        ['POST /v2/models/inner/versions/7/infer'],
        true,
      ]);
      const bytes = Buffer.from(told.body, 'latin1');
      const values =
        policy.topK === null ? [bytes.readFloatLE(bytes.length - 8), bytes.readFloatLE(bytes.length - 4)] : null;
      if (values !== null) expect(values).toEqual([0.25, 0.75]);
      else expect(told.body).not.toContain(Buffer.from(Float32Array.of(0.25).buffer).toString('latin1'));
    }
  });

  test.each([
    ['torchserve'],
    ['sagemaker'],
    ['vertex'],
    ['oip'],
  ])('of %s are rounded where the policy says so', async (name) => {
    const { behind, port } = await open({ policy: { ...ALL, decimals: 1 } });
    answerWell(behind, name);
    const told = await ask(port, CALLS[name].asked);
    expect(told.status).toBe(200);
    expect(told.body).not.toContain('0.25');
    expect(told.body).toMatch(/0\.8/);
  });
});

describe('a stream of events', () => {
  const asked = {
    path: '/v1/chat/completions',
    headers: JSON_TYPE,
    body: '{"model":"openai-model","stream":true,"messages":[{"role":"user","content":"hi"}]}',
  };
  const toEvent = (text: string): string =>
    `data: {"id":"1","model":"/models/${CANARY}","choices":[{"index":0,"delta":{"content":"${text}"}}],"system_fingerprint":"${CANARY}"}\n\n`;
  const begin = (response: Parameters<Behind['answer']>[1]): void => {
    response.writeHead(200, { ...LEAKY, 'content-type': 'text/event-stream' });
    response.write(`: ${CANARY}\n\n${toEvent('one')}`);
  };

  test('comes under the name of the model alone, to its end', async () => {
    const { behind, port, rows, quiet } = await open();
    behind.answer = (_request, response) => {
      begin(response);
      response.end(`${toEvent('two')}data: [DONE]\n\n`);
    };
    const told = await ask(port, asked);
    expect(told.status).toBe(200);
    expect(told.body.match(/"content":"\w+"|\[DONE\]/g)).toEqual(['"content":"one"', '"content":"two"', '[DONE]']);
    expect(told.body).toContain('"model":"openai-model"');
    expect(told.all).not.toContain(CANARY);
    await quiet();
    expect(rows.map(({ status, code }) => [status, code])).toEqual([
      [100, null],
      [200, null],
    ]);
  });

  test('that the server cuts off, or in which it tells an error, is not whole', async () => {
    const cut = await open();
    cut.behind.answer = (_request, response) => {
      begin(response);
      setImmediate(() => response.destroy());
    };
    await expect(ask(cut.port, asked)).rejects.toThrow();
    await cut.quiet();
    expect(cut.rows.at(-1)).toMatchObject({ code: 'GATEWAY_UPSTREAM_MALFORMED', answerHash: null });
    const told = await open();
    told.behind.answer = (_request, response) => {
      begin(response);
      response.end(`data: {"error":{"message":"no /models/${CANARY}"}}\n\n`);
    };
    const { body, all } = await ask(told.port, asked);
    expect(body).toContain('GATEWAY_UPSTREAM_REFUSED');
    expect(all).not.toContain(CANARY);
    await told.quiet();
    expect(told.rows.at(-1)).toMatchObject({ status: 200, code: 'GATEWAY_UPSTREAM_REFUSED' });
  });

  test('of another type than was asked for is refused, and its request ended', async () => {
    const { behind, port, quiet } = await open();
    behind.answer = (_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).write('{');
    expect((await ask(port, asked)).headers['x-modelward-code']).toBe('GATEWAY_UPSTREAM_MALFORMED');
    await quiet();
  });

  test('for which the log has no room is not given, and its request ended', async () => {
    const { behind, port, quiet } = await open({ isLogFull: true });
    behind.answer = (_request, response) => {
      begin(response);
    };
    const told = await ask(port, asked);
    expect([told.status, told.headers['x-modelward-code']]).toEqual([503, 'GATEWAY_LOG_FULL']);
    expect(told.body).not.toContain('one');
    await quiet();
  });

  test('whose reader goes away ends at the server, before or after its first event', async () => {
    for (const isBegun of [true, false]) {
      const { behind, port, permits, rows, quiet } = await open({ concurrency: 1 });
      const arrived = new Promise<void>((done) => {
        behind.answer = (_request, response) => {
          if (isBegun) begin(response);
          else response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
          done();
        };
      });
      const sent = sendHttp({
        host: '127.0.0.1',
        port,
        method: 'POST',
        path: asked.path,
        headers: { ...asked.headers, authorization: 'Bearer good' },
      });
      sent.on('error', () => undefined);
      sent.on('response', (response) => response.on('error', () => undefined));
      sent.end(asked.body);
      await arrived;
      expect(permits.count).toBe(1);
      sent.destroy();
      await quiet();
      expect(rows.at(-1)).toMatchObject({ code: 'GATEWAY_STREAM_CUT', answerHash: null });
    }
  });
});

test('2,000 requests that are given up leave no socket, no seat and no place', async () => {
  const { behind, port, upstream, permits, faults, quiet } = await open({
    concurrency: 4000,
    limits: { seatsMax: 32, waitingMax: 4000 },
  });
  behind.answer = (request, response) => {
    // One of three is silent, one begins, one answers.
    const kind = behind.asked.length % 3;
    if (kind === 0) return;
    response.writeHead(200, { 'content-type': request.headers.accept ?? 'text/event-stream' });
    response.write(`data: {"choices":[]}\n\n`);
    if (kind === 2) response.end();
  };
  const body = '{"model":"openai-model","stream":true,"messages":[]}';
  const headers = { ...JSON_TYPE, authorization: 'Bearer good', 'content-length': body.length };
  for (let round = 0; round < 20; round++) {
    const sent = Array.from({ length: 100 }, () => {
      const one = sendHttp({
        host: '127.0.0.1',
        port,
        method: 'POST',
        path: '/v1/chat/completions',
        agent: false,
        headers,
      });
      one.on('error', () => undefined);
      one.on('response', (response) => response.on('error', () => undefined).resume());
      one.end(body);
      return one;
    });
    const before = upstream.stats.requests;
    while (upstream.stats.requests - before < 50) await new Promise((done) => setTimeout(done, 1));
    for (const one of sent) one.destroy();
  }
  await quiet();
  expect([permits.count, upstream.stats.requestsNow, upstream.stats.waitingNow]).toEqual([0, 0, 0]);
  expect(upstream.stats.connectionsNow).toBeLessThanOrEqual(32);
  expect(faults).toEqual([]);
});
