/** Addresses that never leave this machine. */

/**
 * True for an address of the loopback, such as 127.0.0.1 or ::1. Names are not resolved, so "localhost" is none: it may
 * be pointed elsewhere.
 */
export function isLoopbackAddress(host: string): boolean {
  return host === '::1' || /^127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/.test(host);
}
