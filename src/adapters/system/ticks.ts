/** A clock that is never set: for rates, which must not jump when the wall clock does. */

/** Whole microseconds since this process began. */
export function systemTicksUs(): number {
  return Math.floor(performance.now() * 1000);
}
