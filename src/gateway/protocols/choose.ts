/** The protocols that a configuration names: as callers speak them, and as each server behind does. */
import type { UpstreamConfig } from '../config/upstreams.ts';
import type { ProtocolName } from '../ports.ts';
import { createOipGrpc } from './grpc/grpc.ts';
import { createOip } from './oip/oip.ts';
import { createOpenAi } from './openai/openai.ts';
import type { Protocol } from './ports.ts';
import { createPlain } from './plain.ts';
import { createSagemaker } from './sagemaker.ts';
import { createTorchserve } from './torchserve.ts';
import { createVertex } from './vertex.ts';

export interface ProtocolSettings {
  /** The model of requests whose paths name none, by protocol; '' where there is none. */
  readonly toModel: (protocol: ProtocolName) => string;
  /** Models that plain routes name. */
  readonly plain: readonly string[];
  /** Paths of Vertex AI, where its platform says them. */
  readonly vertex?: { readonly predictRoute: string; readonly healthRoute: string } | undefined;
}

type Makers = Readonly<Record<ProtocolName, (settings: ProtocolSettings) => Protocol>>;

const [PREDICT, HEALTH] = ['/predict', '/health'];
const ROUTES = { predictRoute: PREDICT, healthRoute: HEALTH };

const MAKERS: Makers = Object.assign(Object.create(null) as Makers, {
  oip: () => createOip(),
  'oip-grpc': () => createOipGrpc(),
  openai: () => createOpenAi(),
  torchserve: () => createTorchserve(),
  sagemaker: ({ toModel }: ProtocolSettings) => createSagemaker({ model: toModel('sagemaker') }),
  vertex: ({ toModel, vertex: { predictRoute, healthRoute } = ROUTES }: ProtocolSettings) =>
    createVertex({ model: toModel('vertex'), predictRoute, healthRoute }),
  plain: ({ plain }: ProtocolSettings) =>
    createPlain({ routes: plain.map((model) => ({ path: `/${model}`, model, version: null })) }),
});

/** As callers speak them, in the order of the configuration. */
export function createProtocols(names: readonly ProtocolName[], settings: ProtocolSettings): readonly Protocol[] {
  return names.map((name) => MAKERS[name](settings));
}

/** Plain values, so that another thread can make the same protocol. */
export type UpstreamSettings = Pick<UpstreamConfig, 'protocol' | 'parameters' | 'openai' | 'path' | 'readiness'>;

/** As one server behind speaks it: with its own paths, and what it is handed on. */
export function createUpstreamProtocol(settings: UpstreamSettings): Protocol {
  const { protocol, parameters, openai, path, readiness } = settings;
  switch (protocol) {
    case 'oip':
      return createOip({ parameters });
    case 'oip-grpc':
      return createOipGrpc({ parameters });
    case 'openai': {
      const { members, maxTokens, stream: hasStreams, remoteMedia: hasRemoteMedia } = openai;
      return createOpenAi({ members, hasStreams, hasRemoteMedia, ...(maxTokens !== undefined && { maxTokens }) });
    }
    case 'sagemaker':
      return createSagemaker({ model: '', attributes: parameters });
    case 'vertex':
      return createVertex({ model: '', predictRoute: path ?? PREDICT, healthRoute: readiness.path ?? HEALTH });
    case 'plain':
      return createPlain({ routes: [], upstreamPath: path ?? '/', upstreamReadyPath: readiness.path ?? '/' });
    default:
      return MAKERS[protocol]({ toModel: () => '', plain: [] });
  }
}
