/** The clock of the TPM beside the clock of the system, which can be held or set back (docs/spec/license.md section 5). */
import { LicenseError } from '../core/errors.ts';
import { LICENSE_LIMITS } from '../core/limits/license.ts';
import type { ChipTime } from './ports.ts';

/** End of the year 9999: what a time can be. */
const LATEST_SEC = 253_402_300_799;

/**
 * The earliest that it can be now, seconds: time without power is not known, and some is left out, as the chip may run fast.
 * @param seenSec the time when the chip said `noted`
 * @throws LicenseError LICENSE_CLOCK_UNTRUSTED when the chip went back without having lost power
 */
export function toFloor(seenSec: number, noted: ChipTime, now: ChipTime): number {
  const order = now.resets - noted.resets || now.restarts - noted.restarts;
  const isBack = now.clockMs < noted.clockMs;
  if (order < 0 || (isBack && (order === 0 || now.isSafe))) {
    throw new LicenseError('LICENSE_CLOCK_UNTRUSTED', { fields: { noted: toFields(noted), now: toFields(now) } });
  }
  const passedSec = isBack ? 0 : Math.floor(((now.clockMs - noted.clockMs) / 1000) * LICENSE_LIMITS.chipRate);
  return Math.min(LATEST_SEC, seenSec + passedSec);
}

function toFields({ clockMs, resets, restarts, isSafe }: ChipTime): string {
  return `${clockMs} ms, ${resets} resets, ${restarts} restarts${isSafe ? '' : ', power lost'}`;
}
