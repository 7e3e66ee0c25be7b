/** What answers calls for each model, and by which protocols they are asked. */
import {
  type BodyReader,
  createEmbeddedTarget,
  createProtocols,
  type GatewayConfig,
  type ModelTable,
  type Protocol,
  type Target,
} from '../../../gateway/index.ts';
import type { OpenedUpstreams } from './upstreams.ts';

export interface TargetParts {
  readonly models: ModelTable;
  readonly upstreams: Pick<OpenedUpstreams, 'targets'>;
  /** Key of the hashes of what came in; null for plain SHA-256. */
  readonly hashKey: Uint8Array | null;
  readonly reader?: BodyReader;
}

export function toTargets(
  config: GatewayConfig,
  { models, upstreams, hashKey, reader }: TargetParts,
): ReadonlyMap<string, Target> {
  const names = new Set(config.models.map(({ name }) => name));
  const { answerBytesMax } = config.limits;
  const held = Array.from(names, (model) => {
    const list = () => models.list().filter(({ name }) => name === model);
    return [model, createEmbeddedTarget({ model, list, answerBytesMax, hashKey, reader })] as const;
  });
  return new Map([...held, ...upstreams.targets]);
}

/** Requests whose paths name no model ask the first one that stands behind in their protocol, or else the first one of all. */
export function toProtocols({ protocols, models, upstreams, platform }: GatewayConfig): readonly Protocol[] {
  const behind = (protocol: Protocol['name']): readonly string[] =>
    upstreams.filter((one) => one.protocol === protocol).flatMap((one) => one.models.map(({ name }) => name));
  const held = [...new Set(models.map(({ name }) => name))];
  return createProtocols(protocols, {
    toModel: (protocol) => behind(protocol).at(0) ?? held.at(0) ?? '',
    plain: [...new Set([...held, ...behind('plain')])],
    vertex: platform,
  });
}
