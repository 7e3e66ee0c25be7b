/** Servers behind that are away when the gateway starts, come, change and go. */
import { afterEach, describe, expect, test } from 'vitest';
import { createUpstreamHost } from '../../src/cli/commands/serve/upstreams/compose.ts';
import type { ModelwardError } from '../../src/core/errors.ts';
import { readGatewayConfig, type Target } from '../../src/gateway/index.ts';
import { createOip } from '../../src/gateway/protocols/index.ts';
import { type OpenedUpstreams, openUpstreams } from '../../src/workflows/gateway/serve/upstreams.ts';
import { findFreePort } from '../free-port.ts';
import { makePrincipal } from '../fakes/api-keys.ts';
import { type InferenceServer, METADATA, openOipServer } from './inference-servers.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const open = (server: Promise<InferenceServer>): Promise<InferenceServer> =>
  server.then((opened) => {
    ends.push(() => opened.close());
    return opened;
  });

async function start(url: string): Promise<{
  readonly opened: OpenedUpstreams;
  readonly target: Target;
  readonly told: string[];
  readonly changes: string[];
}> {
  const [told, changes]: string[][] = [[], []];
  const models = [{ name: 'net', signature: 'server' }];
  const readiness = { intervalMs: 100, timeoutMs: 60_000, failures: 1 };
  const config = readGatewayConfig({ upstreams: [{ name: 'triton', url, protocol: 'oip', models, readiness }] });
  const host = createUpstreamHost();
  const opened = await openUpstreams(config, {
    host,
    hashKey: null,
    onTrouble: (code, part) => told.push(`${part}: ${code}`),
    onReadiness: (isReady, { upstream, model }) => changes.push(`${upstream} ${model}: ${isReady ? 'ready' : 'away'}`),
  });
  ends.push(
    () => host.close(),
    () => opened.close(),
  );
  return { opened, target: opened.targets.get('net')!, told, changes };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((done) => setTimeout(done, 10));
}

const protocol = createOip();
const signal = { aborted: false, addEventListener: () => undefined, removeEventListener: () => undefined };

function prepare(target: Target, body: string): ReturnType<Target['prepare']> | string {
  const headers = { 'content-type': 'application/json' };
  const peer = { address: '127.0.0.1', certificate: null };
  const request = {
    method: 'POST',
    path: '',
    query: '',
    headers,
    body: Buffer.from(body),
    peer,
    signal,
    httpVersion: '1.1',
  } as const;
  const call = { protocol: 'oip', kind: 'infer', model: 'net', version: null, route: '' } as const;
  try {
    return target.prepare({ protocol, call, request, principal: makePrincipal({}), batchMax: 8 });
  } catch (error) {
    return (error as ModelwardError).code;
  }
}

const BODY = '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}';

describe('a server', () => {
  test('that is away is told; its model is not ready, and asked again until it is there', async () => {
    const port = await findFreePort();
    const { opened, target, told, changes } = await start(`http://127.0.0.1:${port}`);
    expect(changes).toEqual([]);
    expect(told).toEqual(['upstream triton: GATEWAY_UPSTREAM_UNREACHABLE']);
    expect([opened.list(), target.isReady(null)]).toEqual([[{ name: 'triton', isReady: false }], false]);
    expect([prepare(target, BODY), target.findSignature(null)]).toEqual(['GATEWAY_MODEL_UNAVAILABLE', null]);
    const server = await open(openOipServer(port));
    await until(() => target.isReady(null));
    expect(opened.list()).toEqual([{ name: 'triton', isReady: true }]);
    expect(changes).toEqual(['triton net: ready']);
    expect(target.findSignature(null)?.inputs).toEqual([{ name: 'x', dtype: 'f32', shape: [null, 2] }]);
    expect(prepare(target, BODY)).toMatchObject({ items: 1 });
    expect(prepare(target, BODY.replace('FP32', 'FP64'))).toBe('GATEWAY_INPUT_DTYPE');
    await server.close();
    await until(() => !target.isReady(null));
    expect(changes).toEqual(['triton net: ready', 'triton net: away']);
    expect(target.findSignature(null)).not.toBeNull();
  });

  test.each([
    ['nothing', '{}'],
    ['no JSON', '<html>'],
    [
      'a type that there is none of',
      JSON.stringify({ ...METADATA, inputs: [{ ...METADATA.inputs[0], datatype: 'FLOAT' }] }),
    ],
    ['a shape that is none', JSON.stringify({ ...METADATA, outputs: [{ ...METADATA.outputs[0], shape: [-2, 1.5] }] })],
    [
      'more axes than a tensor has',
      JSON.stringify({ ...METADATA, inputs: [{ ...METADATA.inputs[0], shape: Array(9).fill(1) }] }),
    ],
    ['more tensors than a model has', JSON.stringify({ ...METADATA, inputs: Array(65).fill(METADATA.inputs[0]) })],
  ])('that tells %s of its model is not asked, and said once', async (_name, text) => {
    const server = await open(openOipServer());
    server.metadata = text;
    const { target, told } = await start(server.url);
    const asked = (): number => server.sent.filter(({ path }) => path === '/v2/models/net').length;
    await until(() => asked() > 2);
    expect([target.isReady(null), prepare(target, BODY)]).toEqual([false, 'GATEWAY_MODEL_UNAVAILABLE']);
    expect(told).toEqual(['upstream triton: GATEWAY_UPSTREAM_MALFORMED']);
    server.metadata = null;
    await until(() => target.isReady(null));
  });
});
