/** Models that the gateway holds itself: loaded, and put in place of one another while requests go on. */
import { isDeepStrictEqual } from 'node:util';
import { GatewayError } from '../../../core/errors.ts';
import {
  createModelTable,
  createRunMeter,
  type GatewayConfig,
  type ModelConfig,
  type ModelTable,
  type OpenedModel,
  openServedModel,
  type OpenInstance,
  toSignature,
} from '../../../gateway/index.ts';
import type { ModelSignature } from '../../../gateway/ports.ts';
import { type GatewayHost, type HostOperations, toTeller } from './host.ts';
import type { Change, ChangeTerms, Follower } from './reload.ts';

export interface OpenedModels extends Follower<'models'> {
  readonly table: ModelTable;
  /**
   * Loads the file of a version anew, to be put in place of the one at work.
   * @throws GatewayError ADMIN_MODEL_UNKNOWN | ADMIN_SIGNATURE_CHANGED; what loading throws: the one before stays
   */
  prepareModel(ask: { readonly name: string; readonly version: string; readonly terms: ChangeTerms }): Promise<Change>;
}

/** As much of the outside as models need. */
export type ModelsHost = Pick<GatewayHost, 'toOpener' | 'defer' | 'after' | 'onTrouble'> & {
  readonly operations: Pick<HostOperations, 'registry' | 'toStamp'>;
};

/** A version at work, and of what it was made. */
interface Held {
  readonly config: ModelConfig;
  readonly stamp: string;
  readonly model: OpenedModel;
}

/** @throws RuntimeError | SealError | FormatError; GatewayError GATEWAY_MODEL_UNFIT */
export async function openModels(config: Pick<GatewayConfig, 'models'>, host: ModelsHost): Promise<OpenedModels> {
  const table = createModelTable();
  const loading: Loading = { host, toRunMeter: createRunMeter(host.operations.registry) };
  let held = await loadAll(config.models, loading, { held: [], isSignatureFree: true });
  const put = (next: readonly Held[]): void => {
    held = next;
    table.replaceAll(next.map(({ model }) => model));
  };
  put(held);
  return {
    table,
    prepare: async (next, { isSignatureFree }) => {
      const before = held;
      const made = await loadAll(next.models, loading, { held: before, isSignatureFree });
      return {
        commit: () => {
          put(made);
        },
        discard: () => closeNew(made, before),
      };
    },
    prepareModel: async ({ name, version, terms: { isSignatureFree } }) => {
      const before = held.find(({ model }) => model.name === name && model.version === version);
      if (before === undefined) throw new GatewayError('ADMIN_MODEL_UNKNOWN');
      const made = await load(before.config, loading, isSignatureFree ? null : before.model.signature);
      return {
        commit: () => {
          put(held.map((one) => (one === before ? made : one)));
        },
        discard: () => closeNew([made], []),
      };
    },
  };
}

interface Loading {
  readonly host: ModelsHost;
  readonly toRunMeter: ReturnType<typeof createRunMeter>;
}

/** What is there already is taken over, unless its terms or its file are others now. */
async function loadAll(
  configs: readonly ModelConfig[],
  loading: Loading,
  { held, isSignatureFree }: ChangeTerms & { readonly held: readonly Held[] },
): Promise<readonly Held[]> {
  const all: Held[] = [];
  try {
    for (const config of configs) {
      const before = held.find((one) => one.config.name === config.name && one.config.version === config.version);
      const isSame = before !== undefined && isDeepStrictEqual(before.config, config);
      if (isSame && before.stamp === loading.host.operations.toStamp(config)) all.push(before);
      else all.push(await load(config, loading, isSignatureFree ? null : (before?.model.signature ?? null)));
    }
    return all;
  } catch (error) {
    await closeNew(all, held);
    throw error;
  }
}

async function closeNew(made: readonly Held[], before: readonly Held[]): Promise<void> {
  const fresh = made.filter((one) => !before.includes(one));
  await Promise.allSettled(fresh.map(({ model }) => model.close()));
}

/**
 * Loads a model and its instances; the first one tells what it takes.
 * @param expected what it must take and give; null for anything
 */
async function load(
  config: ModelConfig,
  { host, toRunMeter }: Loading,
  expected: ModelSignature | null,
): Promise<Held> {
  const { name, version, instances, batchRows, queue, runTimeoutMs } = config;
  // Looked at before the file is read: what is written meanwhile is another file at the next look.
  const stamp = host.operations.toStamp(config);
  let signature = expected;
  const open = toCheckedOpener(host.toOpener(config), () => signature);
  const first = await open();
  signature = await toFitSignature(first);
  let isFirstTaken = false;
  const takeFirst: OpenInstance = () => {
    if (isFirstTaken) return open();
    isFirstTaken = true;
    return Promise.resolve(first);
  };
  const onRun = toRunMeter(name, version);
  const model = await openServedModel({
    ...{ name, version, instances, runTimeoutMs, signature, onRun, batchRowsMax: batchRows, queueMax: queue },
    open: takeFirst,
    ...{ defer: host.defer, after: host.after, onTrouble: toTeller(host, `model ${name}`) },
  });
  return { config, stamp, model };
}

/** Of a model that cannot be asked nothing stays: its thread would hold the process. @throws GatewayError GATEWAY_MODEL_UNFIT */
async function toFitSignature(session: Awaited<ReturnType<OpenInstance>>): Promise<ModelSignature> {
  try {
    return toSignature(session);
  } catch (error) {
    await session.release();
    throw error;
  }
}

/** An instance that takes the place of one that failed is read from the file as it is then: another model must not slip in. */
function toCheckedOpener(open: OpenInstance, expected: () => ModelSignature | null): OpenInstance {
  return async () => {
    const session = await open();
    const wanted = expected();
    try {
      if (wanted !== null && !isDeepStrictEqual(toSignature(session), wanted)) {
        throw new GatewayError('ADMIN_SIGNATURE_CHANGED');
      }
      return session;
    } catch (error) {
      await session.release().catch(() => undefined);
      throw error;
    }
  };
}
