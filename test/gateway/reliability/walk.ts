/** Every question that a walk through a gateway asks: the routes of all protocols, and those of the servers that could stand behind. */
import {
  createOip,
  createOipGrpc,
  createOpenAi,
  createPlain,
  createSagemaker,
  createTorchserve,
  createVertex,
  type Protocol,
} from '../../../src/gateway/protocols/index.ts';
import { toPath } from '../../../src/gateway/protocols/routes.ts';

export const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'HEAD'] as const;

/** Every protocol that there is, as the gateway has them where a configuration names all. */
export function createEveryProtocol(model: string): readonly Protocol[] {
  return [
    createOip(),
    createOipGrpc(),
    createOpenAi(),
    createTorchserve(),
    createSagemaker({ model }),
    createVertex({ model, predictRoute: '/predict', healthRoute: '/health' }),
    createPlain({ routes: [{ path: `/${model}`, model, version: null }] }),
  ];
}

/** Paths of every row of every protocol, for this model. */
export function listRoutes(model: string, versions: readonly string[]): readonly string[] {
  const paths = createEveryProtocol(model).flatMap(({ routes }) =>
    routes.flatMap((route) => versions.map((version) => toPath(route, model, version))),
  );
  return [...new Set(paths)];
}

/** Paths at which servers of predictions load, list, describe, copy or change models, and files of the machine. */
export function listDangerous(model: string): readonly string[] {
  const dangerous = [
    '/v2/repository/index',
    `/v2/repository/models/${model}/load`,
    `/v2/repository/models/${model}/unload`,
    `/v2/models/${model}/config`,
    `/v2/models/${model}/file`,
    `/v2/models/${model}/stats`,
    `/v2/models/${model}/versions/1/stats`,
    `/v2/models/${model}/versions/1/config`,
    `/v2/models/${model}/trace/setting`,
    `/v2/models/${model}/generate`,
    '/v2/models/stats',
    '/v2/models',
    '/v2/trace/setting',
    '/v2/logging',
    '/v2/systemsharedmemory/status',
    '/v2/systemsharedmemory/region/r/register',
    '/v2/cudasharedmemory/status',
    '/inference.GRPCInferenceService/RepositoryIndex',
    '/inference.GRPCInferenceService/RepositoryModelLoad',
    '/inference.GRPCInferenceService/RepositoryModelUnload',
    '/inference.GRPCInferenceService/ModelConfig',
    '/inference.GRPCInferenceService/ModelStatistics',
    '/inference.GRPCInferenceService/TraceSetting',
    '/inference.GRPCInferenceService/LogSettings',
    '/inference.GRPCInferenceService/SystemSharedMemoryRegister',
    '/inference.GRPCInferenceService/ModelStreamInfer',
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
    '/grpc.health.v1.Health/List',
    '/metrics',
    '/models',
    `/models/${model}`,
    `/models/${model}/1`,
    `/models/${model}/all`,
    '/models?url=http://169.254.169.254/',
    '/workflows',
    '/api-description',
    `/explanations/${model}`,
    '/v1/files',
    '/v1/files/f/content',
    '/v1/fine_tuning/jobs',
    '/v1/fine_tuning/checkpoints',
    '/v1/batches',
    '/v1/load_lora_adapter',
    '/v1/unload_lora_adapter',
    `/v1/models/${model}`,
    '/props',
    '/slots',
    '/lora-adapters',
    '/api/pull',
    '/api/tags',
    `/api/blobs/sha256:${'0'.repeat(64)}`,
    '/admin',
    '/admin/v1/keys',
    '/v1/admin/keys',
    '/debug/pprof/heap',
    '/server-status',
    '/actuator/heapdump',
    '/.env',
    '/.git/config',
    '/tls/server.key',
    '/home/owner/owner.key',
    '/models/net.onnx',
    '/models/net.seal',
    '/net.onnx',
    '/favicon.ico',
    '/',
  ];
  return [...dangerous, ...dangerous.slice(0, 6).flatMap(disguise), ...listClimbs(model)];
}

/** Spellings that some parser between here and a server could take for the same path. */
function disguise(path: string): readonly string[] {
  const [, first, ...rest] = path.split('/');
  const encoded = path.replaceAll(/[^/]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
  return [
    encoded,
    `/${path}`,
    `${path}/`,
    `${path}.`,
    `${path}%00`,
    `${path}%20`,
    `${path};a=b`,
    path.toUpperCase(),
    `/${first}%2f${rest.join('%2f')}`,
    `/${first}/./${rest.join('/')}`,
    `/x/../${first}/${rest.join('/')}`,
    `/x/%2e%2e/${first}/${rest.join('/')}`,
    path.replaceAll('/', '\\').replace('\\', '/'),
  ];
}

/** Ways from a model to the folders around it. */
function listClimbs(model: string): readonly string[] {
  const ups = ['..', '%2e%2e', '.%2e', '%252e%252e', '..%2f..', '..%5c..', '....//', '%c0%ae%c0%ae', '..;'];
  return ups.flatMap((up) => [
    `/v2/models/${up}/net.onnx`,
    `/v2/models/${model}/${up}/${up}/home/owner/owner.key`,
    `/v2/models/${model}${up}/infer`,
    `/v2/models/${model}/versions/${up}/infer`,
    `/predictions/${up}/net.onnx`,
    `/v1/models/${up}:predict`,
    `/${up}/${up}/etc/passwd`,
  ]);
}
