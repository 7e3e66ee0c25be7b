/** A witness for the ledgers of others: made once, told which ledgers it takes, served. */
import type { HttpHandler } from '../../core/http-handler.ts';
import {
  addLog,
  type Cosigner,
  createWitnessFolder,
  createWitnessHandler,
  encodeCosignerKey,
  findState,
  hasFork,
  listLogs,
  openWitness,
  parseVerifierKey,
  readCosigner,
  type WitnessPlace,
} from '../../ledger/index.ts';
import type { Services } from '../services.ts';

type WitnessServices = Pick<Services, 'storage' | 'home' | 'random' | 'clock' | 'ledgerLock'>;

const toPlace = ({ storage, home }: Pick<Services, 'storage' | 'home'>): WitnessPlace => ({
  storage,
  folder: home.witnessFolder,
});

/**
 * Makes the witness of this home.
 * @param name as it stands in its cosignatures, such as "witness.example/w1"
 * @returns its verifier key, text
 * @throws LedgerError WITNESS_EXISTS | LEDGER_KEY_MALFORMED
 */
export function createHomeWitness(services: WitnessServices, name: string): { readonly verifierKey: string } {
  const place = toPlace(services);
  const { storage, home } = services;
  if (!storage.exists(home.root)) storage.makeFolder(home.root, 0o700);
  createWitnessFolder({ ...place, name, random: services.random });
  return { verifierKey: withCosigner(place, encodeCosignerKey) };
}

/**
 * Lets the witness take the checkpoints of a ledger.
 * @param options.verifierKeys text of the ledger's key, as its owner publishes it, and of others that may sign for it
 * @param options.origin where it is not the name of the first key
 * @throws LedgerError WITNESS_NOT_FOUND | WITNESS_EXISTS | LEDGER_KEY_MALFORMED
 */
export function addWitnessedLog(
  services: WitnessServices,
  options: { readonly verifierKeys: readonly [string, ...string[]]; readonly origin?: string | undefined },
): { readonly origin: string } {
  const keys = options.verifierKeys.map(parseVerifierKey);
  const { origin = keys[0].name } = options;
  addLog(toPlace(services), { origin, keys });
  return { origin };
}

export interface WitnessSummary {
  readonly verifierKey: string;
  readonly logs: readonly {
    readonly origin: string;
    /** Of the checkpoint that was cosigned last; null before the first. */
    readonly size: number | null;
    readonly cosignedAt: string | null;
    /** True when the log signed two trees of one size; both notes are in the folder. */
    readonly isForked: boolean;
  }[];
}

/** @throws LedgerError WITNESS_NOT_FOUND | WITNESS_KEY_MALFORMED | WITNESS_STATE_CORRUPT */
export function showWitness(services: WitnessServices): WitnessSummary {
  const place = toPlace(services);
  return withCosigner(place, (cosigner) => ({
    verifierKey: encodeCosignerKey(cosigner),
    logs: listLogs(place)
      .map((log) => {
        const state = findState(place, log, cosigner);
        const cosignedAt = state === undefined ? null : new Date(state.cosignature.timeSeconds * 1000).toISOString();
        const { origin } = log;
        return { origin, size: state?.head.size ?? null, cosignedAt, isForked: hasFork(place, origin) };
      })
      .sort((a, b) => (a.origin < b.origin ? -1 : 1)),
  }));
}

export interface ServedWitness {
  readonly verifierKey: string;
  readonly handler: HttpHandler;
  close(): void;
}

/**
 * Opens the witness of this home for requests.
 * @throws LedgerError WITNESS_NOT_FOUND | WITNESS_KEY_MALFORMED | WITNESS_LOCKED
 */
export async function openHomeWitness(
  services: WitnessServices,
  told: Omit<Parameters<typeof createWitnessHandler>[0], 'witness'>,
): Promise<ServedWitness> {
  const { clock, ledgerLock: lock } = services;
  const witness = await openWitness({ ...toPlace(services), clock, lock });
  const { verifierKey } = witness;
  return {
    verifierKey,
    handler: createWitnessHandler({ witness, ...told }),
    close: () => {
      witness.close();
    },
  };
}

function withCosigner<T>(place: WitnessPlace, use: (cosigner: Cosigner) => T): T {
  const cosigner = readCosigner(place);
  try {
    return use(cosigner);
  } finally {
    cosigner.close();
  }
}
