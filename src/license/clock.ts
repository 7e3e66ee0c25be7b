/** The clock of a device is believed as far as it does not go back (docs/spec/license.md section 5). */
import { LicenseError } from '../core/errors.ts';

/**
 * The time to judge by, seconds: the clock, or a later time that was seen already.
 * @param options.seenSec times that are known to be past: of the record, the licence, answers, status lists, checkpoints
 * @throws LicenseError LICENSE_CLOCK_ROLLBACK when the clock is further behind than `maxSkewSec`
 */
export function toTrustedNow(options: {
  readonly nowSec: number;
  readonly seenSec: readonly number[];
  readonly maxSkewSec: number;
}): number {
  const { nowSec, seenSec, maxSkewSec } = options;
  const latest = Math.max(0, ...seenSec);
  if (nowSec < latest - maxSkewSec) {
    throw new LicenseError('LICENSE_CLOCK_ROLLBACK', { fields: { clock: toIso(nowSec), seen: toIso(latest) } });
  }
  return Math.max(nowSec, latest);
}

/** RFC 3339, UTC. */
export function toIso(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
