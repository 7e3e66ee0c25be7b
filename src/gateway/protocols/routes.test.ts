/** The closed tables: what is there, and above all what is not. */
import { describe, expect, test } from 'vitest';
import { ERRORS, type ErrorCode } from '../../core/errors.ts';
import type { GatewayAnswer } from '../ports.ts';
import {
  createOip,
  createOipGrpc,
  createOpenAi,
  createPlain,
  createSagemaker,
  createTorchserve,
  createVertex,
} from './index.ts';
import type { Info, Protocol } from './ports.ts';
import { toPath } from './routes.ts';

const PROTOCOLS: readonly Protocol[] = [
  createOip(),
  createOipGrpc(),
  createOpenAi(),
  createTorchserve(),
  createSagemaker({ model: 'm' }),
  createVertex({ model: 'm', predictRoute: '/predict', healthRoute: '/health' }),
  createPlain({ routes: [{ path: '/score', model: 'm', version: null }] }),
];

/** Everything that the servers behind have beside what is asked for: weights, files, loading, settings, counters. */
const CLOSED = [
  '/',
  '/v2/repository/index',
  '/v2/repository/models/m/load',
  '/v2/repository/models/m/unload',
  '/v2/models/m/config',
  '/v2/models/m/stats',
  '/v2/models/m/versions/1/stats',
  '/v2/models/m/trace/setting',
  '/v2/trace/setting',
  '/v2/logging',
  '/v2/systemsharedmemory/status',
  '/v2/cudasharedmemory/status',
  '/v2/systemsharedmemory/region/r/register',
  '/v2/models/m/generate',
  '/v2/models/m/generate_stream',
  '/v2/models/m/file',
  '/metrics',
  '/models',
  '/models/m',
  '/models?url=x',
  '/api-description',
  '/explanations/m',
  '/wfpredict/w',
  '/workflows',
  '/v1/files',
  '/v1/files/f/content',
  '/v1/fine_tuning/jobs',
  '/v1/assistants',
  '/v1/threads',
  '/v1/batches',
  '/v1/images/generations',
  '/v1/audio/speech',
  '/v1/load_lora_adapter',
  '/v1/unload_lora_adapter',
  '/v1/responses',
  '/tokenize',
  '/detokenize',
  '/slots',
  '/props',
  '/lora-adapters',
  '/completion',
  '/infill',
  '/api/pull',
  '/api/blobs/sha256:0',
  '/inference.GRPCInferenceService/ModelStreamInfer',
  '/inference.GRPCInferenceService/RepositoryIndex',
  '/inference.GRPCInferenceService/RepositoryModelLoad',
  '/inference.GRPCInferenceService/ModelConfig',
  '/inference.GRPCInferenceService/SystemSharedMemoryRegister',
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  '/v2/models/../repository/index',
  '/v2/models/%2e%2e/infer',
  '/v2/models/a%2fb/infer',
  '/v2/models/a%00/infer',
  '/v2/models//infer',
  '/v2/models/./infer',
  '/v2//models/m/infer',
  '/v2/models/m/infer/',
  '/V2/models/m/infer',
  '/v2/models/m%/infer',
  '/v2/models/a%5cb/infer',
  '/v2/models/m/infer?x',
  `/v2/models/${'m'.repeat(129)}/infer`,
  '/predictions/../models',
  '/predictions/m/1/2',
  '/predictions/%2e%2e',
  '/v1/models/m:explain',
  '/v1/models/:predict',
  '/v1/models/a/b:predict',
  '/score/',
  '/score/x',
  'score',
  '*',
  '',
];

const call = (protocol: Protocol, method: string, path: string): unknown => {
  const body =
    protocol.name === 'oip-grpc' ? Buffer.from('\0\0\0\0\x03\x0a\x01m', 'latin1') : Buffer.from('{"model":"m"}');
  const type = protocol.name === 'oip-grpc' ? 'application/grpc' : 'application/json';
  return protocol.findCall({ method, path, headers: { 'content-type': type }, body });
};

describe.each(PROTOCOLS.map((protocol) => [protocol.name, protocol] as const))('%s', (_, protocol) => {
  test('has its own routes, each by one method', () => {
    for (const route of protocol.routes) {
      const path = toPath(route, 'm', '1');
      expect(call(protocol, route.method, path), path).toMatchObject({ protocol: protocol.name, kind: route.kind });
      for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD', 'TRACE', 'CONNECT', 'get']) {
        expect(call(protocol, method, path), `${method} ${path}`).toBe('method');
      }
    }
  });

  test('has nothing at the paths that load, list, change or tell of models', () => {
    for (const path of CLOSED) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
        expect(call(protocol, method, path), `${method} ${path}`).toBeNull();
      }
    }
  });

  test('tells errors by their code, and nothing of the inside', () => {
    const inside = {
      upstream: 'http://10.0.0.1:8000',
      path: '/models/secret.onnx',
      file: '/etc/x',
      status: 418,
      seed: 'canary',
    };
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const answer = protocol.encodeError(code, { ...inside, at: 'inputs[0]' });
      const text = JSON.stringify(answer.headers) + Buffer.from(answer.body as Uint8Array).toString();
      for (const value of Object.values(inside)) expect(text).not.toContain(String(value));
      const told = code.startsWith('GATEWAY_') ? code : 'GATEWAY_INTERNAL';
      expect(text, code).toContain(told);
      if (protocol.name !== 'oip-grpc') expect(answer.status).toBe(ERRORS[told].http);
    }
  });

  test('answers what is asked without a model, for each kind of its table', () => {
    const signature = { inputs: [{ name: 'x', dtype: 'f32', shape: [null, 2] }], outputs: [] } as const;
    const infos: readonly Info[] = [
      { kind: 'server-live' },
      { kind: 'server-ready', isReady: false },
      { kind: 'server-metadata', name: 'modelward', version: '1' },
      { kind: 'model-ready', name: 'm', isReady: true },
      { kind: 'model-metadata', name: 'm', versions: ['1'], signature },
      { kind: 'model-list', models: ['m'] },
    ];
    const kinds = new Set<string>(protocol.routes.map(({ kind }) => kind));
    const answers = infos.filter(({ kind }) => kinds.has(kind)).map((info): GatewayAnswer => protocol.encodeInfo(info));
    for (const answer of answers) expect(protocol.name === 'oip-grpc' ? [200] : [200, 503]).toContain(answer.status);
    expect(answers.length + Number(kinds.has('infer'))).toBe(kinds.size);
  });
});

test('metadata of the Open Inference Protocol has the shape of the specification', () => {
  const signature = {
    inputs: [{ name: 'x', dtype: 'bf16', shape: [null, 2] }],
    outputs: [{ name: 'y', dtype: 'i64', shape: [] }],
  } as const;
  const answer = createOip().encodeInfo({ kind: 'model-metadata', name: 'm', versions: ['1'], signature });
  expect(JSON.parse(Buffer.from(answer.body as Uint8Array).toString())).toEqual({
    name: 'm',
    versions: ['1'],
    platform: 'modelward',
    inputs: [{ name: 'x', datatype: 'BF16', shape: [-1, 2] }],
    outputs: [{ name: 'y', datatype: 'INT64', shape: [] }],
  });
});

test('SageMaker’s target model is a name that is looked up', () => {
  const find = (target: string): unknown =>
    createSagemaker({ model: 'm' }).findCall({
      method: 'POST',
      path: '/invocations',
      headers: { 'x-amzn-sagemaker-target-model': target },
      body: new Uint8Array(),
    });
  expect(find('b.tar.gz')).toMatchObject({ model: 'b.tar.gz' });
  expect(find('../b')).toBeNull();
});
