/** What the admin API works with; workflows fill it. */
import type { Metrics, Principal } from '../ports.ts';
import type { KeyTerms, KeyView, LogPageView, LogQueryView, ModelView, UseView } from './schemas.ts';

/** Who asks for it: in the ledger beside what was done. */
export type Actor = Pick<Principal, 'id'>;

export interface IssuedKeyView {
  readonly key: KeyView;
  /** Its text, which is shown once. */
  readonly apiKey: string;
  readonly tagKey: string;
}

/** API keys. Every change must be in the ledger, with its actor, before it holds. */
export interface KeyOffice {
  /** In the order of ids, after `after`, at most `count`. @throws DatabaseError */
  list(page: { readonly after: string; readonly count: number }): Promise<readonly KeyView[]>;
  /** @throws GatewayError APIKEY_UNKNOWN; DatabaseError */
  find(id: string): Promise<KeyView>;
  /** @throws GatewayError APIKEY_…; DatabaseError; LedgerError */
  create(terms: KeyTerms, actor: Actor): Promise<IssuedKeyView>;
  /** @throws GatewayError APIKEY_…; DatabaseError; LedgerError */
  rotate(id: string, overlapSec: number, actor: Actor): Promise<IssuedKeyView>;
  /** @throws GatewayError APIKEY_…; DatabaseError; LedgerError */
  revoke(id: string, actor: Actor): Promise<KeyView>;
}

export interface ReloadTerms {
  /** Whether a version may take or give other tensors than before. */
  readonly isSignatureFree: boolean;
}

export interface AdminDesk {
  /** Whether load balancers may send requests. */
  readonly isReady: () => boolean;
  /** Of all processes. */
  readonly readMetrics: () => Promise<Metrics>;
  readonly keys: KeyOffice;
  readonly models: () => readonly ModelView[];
  /**
   * Loads the file of a version anew, and puts it in place of the one at work when it can be served.
   * @throws ModelwardError of the file or the runtime: the one before stays
   */
  reloadModel(name: string, version: string, terms: ReloadTerms): Promise<void>;
  /**
   * Takes up the configuration as it is written now: all of it, or nothing.
   * @returns names of the members that are others than before
   * @throws ModelwardError: nothing changed
   */
  reloadConfig(terms: ReloadTerms): Promise<readonly string[]>;
  /** Budgets and what is used of them: of one key and its tenant, or of all tenants and models. @throws GatewayError APIKEY_UNKNOWN; DatabaseError */
  readUses(keyId: string | null): Promise<readonly UseView[]>;
  /** @throws DatabaseError; GatewayError ADMIN_QUERY_MALFORMED for a cursor that was not given out */
  readLog(query: LogQueryView): Promise<LogPageView>;
  /** What is in force, without secrets and paths. */
  readonly config: () => unknown;
  /** Takes no more requests, lets those that were taken end, and ends the process. */
  drain(): void;
}
