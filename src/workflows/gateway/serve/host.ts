/** What a gateway needs from outside, and what is seen of it while it runs. */
import type { Clock, Pause } from '../../../core/ports.ts';
import type { AnswerSealer, KeyHasher, Meter, ModelConfig, ModelTable, OpenInstance } from '../../../gateway/index.ts';
import type { ApiKeyStore, BudgetStore, GatewayGreeter, GatewayHandler, RequestLog } from '../../../gateway/ports.ts';
import type { UpstreamHost, UpstreamState } from './upstreams.ts';
import type { GatewayFront, HostOperations } from './host-operations.ts';
import type { Change, ChangeAsk, ChangeTerms } from './reload.ts';

export type { GatewayFront, HostOperations };
import type { HostShared, SharedLimits } from './host-shared.ts';

/** What a gateway needs from outside. */
export interface GatewayHost {
  readonly clock: Clock;
  /** Microseconds of a clock that never goes back. */
  readonly nowUs: () => number;
  readonly pause: Pause;
  readonly defer: (work: () => void) => void;
  readonly after: (ms: number, work: () => void) => () => void;
  readonly makeRequestId: () => string;
  readonly keys: ApiKeyStore;
  readonly hasher: KeyHasher;
  readonly budgets: BudgetStore;
  readonly meter: Meter;
  readonly sealer: AnswerSealer;
  /** Loads a model in a thread, or a sealed one in a process, once for each call. */
  readonly toOpener: (model: ModelConfig) => OpenInstance;
  readonly upstreams: UpstreamHost;
  readonly log: RequestLog;
  /** Ends the log when no more rows come. */
  endLog(): Promise<void>;
  openFront(handler: GatewayHandler, greet: GatewayGreeter): Promise<GatewayFront>;
  readonly shared: HostShared;
  /** What the processes of this machine count together; null in one that answers alone. */
  readonly cluster: SharedLimits | null;
  readonly operations: HostOperations;
  /** Told the code of what went wrong on the gateway's side, and of which part. */
  readonly onTrouble: (code: string, part: string) => void;
}

export interface RunningGateway {
  readonly port: number;
  /** Of the admin listener; null without one. */
  readonly adminPort: number | null;
  readonly models: ModelTable;
  readonly upstreams: () => readonly UpstreamState[];
  /**
   * Takes up the configuration as it is written now: all of it, or nothing.
   * @returns names of the members that are others than before
   * @throws what it cannot be taken for; then nothing changed
   */
  reload(terms: ChangeTerms): Promise<readonly string[]>;
  /** Loads the file of a version anew. @throws GatewayError ADMIN_MODEL_UNKNOWN | ADMIN_SIGNATURE_CHANGED; what loading throws */
  reloadModel(name: string, version: string, terms: ChangeTerms): Promise<void>;
  /** As a process has it done that has several gateways change at once: one change at a time. @throws what it cannot be taken for */
  prepare(ask: ChangeAsk): Promise<Change>;
  /** Lets what was taken end, and ends everything; false when answers had to be cut off. */
  stop(): Promise<boolean>;
}

export function toTeller({ onTrouble }: Pick<GatewayHost, 'onTrouble'>, part: string): (code: string) => void {
  return (code) => {
    onTrouble(code, part);
  };
}
