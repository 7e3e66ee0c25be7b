/** A seat of a shared pool, held for as long as a product runs: asked for, renewed in time, and given back. */
import { type ErrorCode, LicenseError, ModelwardError } from '../../core/errors.ts';
import type { Pause } from '../../core/ports.ts';
import type { LicenseAction } from '../../license/index.ts';
import { acceptAnswer, makeRequest, type TakenAnswer } from './exchange.ts';
import type { DeviceServices } from './services.ts';
import { toNowSec, type Trust } from './use.ts';

/** Renewals that fail are not tried more often than this. */
const RETRY_SEC_MIN = 5;

export interface SeatOptions {
  /** The licence file's bytes. */
  readonly file: Uint8Array;
  /** Sends a request (compact JWS) to the licence server, and gives its answer. */
  readonly ask: (action: LicenseAction, request: string) => Promise<string>;
  readonly pause: Pause;
  /** Told the code of a renewal that failed; `isLost`: the vendor refused, and it is not tried again. */
  readonly onTrouble: (code: ErrorCode | 'UNKNOWN', isLost: boolean) => void;
}

export interface Seat {
  /** Until when the seat is this device's, seconds since 1970. */
  endSec(): number;
  /** Gives it back. A server that cannot be reached is not waited for: the lease ends by itself. */
  release(): Promise<void>;
}

/** One request and its answer. @throws LicenseError those of `makeRequest`, of `acceptAnswer` and of `ask` */
export async function askVendor(
  services: DeviceServices,
  trust: Trust,
  asked: Pick<SeatOptions, 'file' | 'ask'> & { readonly action: LicenseAction; readonly from?: string | undefined },
): Promise<TakenAnswer> {
  const { file, ask, action, from } = asked;
  const request = await makeRequest(services, trust, { file, action, from, isFile: false });
  return acceptAnswer(services, trust, { file, text: await ask(action, request) });
}

/**
 * Asks for a seat, and renews it when a third of its lease is over, for as long as it is not given back.
 * @throws LicenseError LICENSE_SEATS_TAKEN | LICENSE_LEASE_MISSING for a licence of no pool, and as `askVendor`
 */
export async function holdSeat(services: DeviceServices, trust: Trust, options: SeatOptions): Promise<Seat> {
  let endSec = await lease(services, trust, options);
  const stop = new AbortController();
  const renew = async (): Promise<void> => {
    for (;;) {
      const leftSec = Math.max(RETRY_SEC_MIN, (endSec - toNowSec(services)) / 3);
      await options.pause(leftSec * 1000, stop.signal);
      if (stop.signal.aborted) return;
      try {
        endSec = await lease(services, trust, options);
      } catch (error) {
        const isLost = isRefusal(error);
        options.onTrouble(error instanceof ModelwardError ? error.code : 'UNKNOWN', isLost);
        if (isLost) return;
      }
    }
  };
  const renewing = renew();
  return {
    endSec: () => endSec,
    release: async () => {
      stop.abort();
      await renewing;
      await askVendor(services, trust, { ...options, action: 'release' }).catch((error: unknown) => {
        if (isRefusal(error)) throw error;
      });
    },
  };
}

async function lease(services: DeviceServices, trust: Trust, options: SeatOptions): Promise<number> {
  const { leaseEndSec } = await askVendor(services, trust, { ...options, action: 'lease' });
  if (leaseEndSec === null) throw new LicenseError('LICENSE_LEASE_MISSING');
  return leaseEndSec;
}

/** Anything that another try does not change: who was refused, or taken over, does not ask again and again. */
function isRefusal(error: unknown): boolean {
  return error instanceof LicenseError && !PASSING.has(error.code);
}

const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'LICENSE_SERVER_UNAVAILABLE',
  'LICENSE_REQUESTS_TOO_MANY',
  'LICENSE_REQUEST_STALE',
  'LICENSE_STATE_BUSY',
  'LICENSE_LEDGER_FAILED',
]);
