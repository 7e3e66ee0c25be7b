/** The lines to inference servers as the configuration has them now; those of the one before end after their answers. */
import { isDeepStrictEqual } from 'node:util';
import type { GatewayConfig } from '../../../gateway/index.ts';
import type { GatewayHost } from './host.ts';
import { type Follower, UNCHANGED } from './reload.ts';
import { type OpenedUpstreams, openUpstreams, type UpstreamTerms } from './upstreams.ts';

export interface UpstreamSet extends Follower {
  readonly current: () => OpenedUpstreams;
  close(): Promise<void>;
}

/** How often lines that are left are looked at. */
const LOOK_MS = 1000;

/** As much of the outside as lines need. */
export type UpstreamSetHost = Pick<GatewayHost, 'upstreams' | 'onTrouble' | 'after'> & {
  readonly operations: Pick<GatewayHost['operations'], 'hashKey' | 'journal'>;
};

/** What lines are made of. */
function toTerms({ upstreams, limits: { answerBytesMax }, integrity }: GatewayConfig): unknown {
  return { upstreams, answerBytesMax, integrity };
}

/** @throws GatewayError UPSTREAM_…; CliError CLI_SECRET_… */
export async function openUpstreamSet(config: GatewayConfig, host: UpstreamSetHost): Promise<UpstreamSet> {
  const { onTrouble, operations, after } = host;
  const onReadiness: UpstreamTerms['onReadiness'] = (isReady, of) => {
    operations.journal.tell(isReady ? 'upstream-ready' : 'upstream-away', { ...of });
  };
  const open = (of: GatewayConfig): Promise<OpenedUpstreams> =>
    openUpstreams(of, { host: host.upstreams, hashKey: operations.hashKey, onTrouble, onReadiness });
  let [of, opened] = [config, await open(config)];
  let isClosed = false;
  /** Requests that were taken go on over them, and streams to their end, for which their lines have bounds. */
  const leaving = new Map<OpenedUpstreams, () => void>();
  const closeLater = (former: OpenedUpstreams, waitMs: number): void => {
    const forget = after(waitMs, () => {
      if (former.inFlight > 0) {
        closeLater(former, LOOK_MS);
        return;
      }
      leaving.delete(former);
      void former.close().catch(() => undefined);
    });
    leaving.set(former, forget);
  };
  return {
    current: () => opened,
    prepare: async (next) => {
      if (isDeepStrictEqual(toTerms(of), toTerms(next))) return UNCHANGED;
      const made = await open(next);
      const discard = (): Promise<void> => made.close();
      return {
        commit: () => {
          if (isClosed) {
            void discard().catch(() => undefined);
            return;
          }
          opened.stopWatching();
          // One that was taken and has not been sent yet is not counted.
          closeLater(opened, next.limits.drainTimeoutMs);
          [of, opened] = [next, made];
        },
        discard,
      };
    },
    close: async () => {
      isClosed = true;
      for (const forget of leaving.values()) forget();
      await Promise.all([opened, ...leaving.keys()].map((one) => one.close()));
    },
  };
}
