/** The TPM's clock: milliseconds that it was powered, and counters that show when they are not the whole story. */
import { CC } from './codes.ts';
import { execute, type Tpm } from './command.ts';
import { type TpmKey, withSession } from './objects.ts';
import type { WireReader } from './wire.ts';

export interface TpmClock {
  /** Milliseconds; goes forward only, but for the time without power. */
  readonly clockMs: bigint;
  /** Resets of the TPM: starts of the machine. */
  readonly resetCount: number;
  /** Restarts since the last reset: hibernations. */
  readonly restartCount: number;
  /** False when the clock may have been this far before: power was lost before it was written down. */
  readonly isSafe: boolean;
}

/**
 * The clock as it is now.
 * @param root a storage key: the answer is then MACed by the TPM that has it, and nobody in between turns it back
 * @throws TpmError as `execute`
 */
export async function readClock(tpm: Tpm, root?: TpmKey): Promise<TpmClock> {
  if (root === undefined) return toClock(await execute(tpm, { code: CC.readClock }));
  return withSession(tpm, { kind: 'hmac', salted: root }, async (session) =>
    toClock(await execute(tpm, { code: CC.readClock, authorizations: [{ session, isAudit: true }] })),
  );
}

function toClock({ parameters }: { readonly parameters: WireReader }): TpmClock {
  parameters.u64();
  const clock = readClockInfo(parameters);
  parameters.end();
  return clock;
}

/** A TPMS_CLOCK_INFO. */
export function readClockInfo(reader: WireReader): TpmClock {
  return { clockMs: reader.u64(), resetCount: reader.u32(), restartCount: reader.u32(), isSafe: reader.u8() === 1 };
}
