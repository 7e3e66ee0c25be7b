/** Key broker: serves attested machines, and gets keys inside of them. */
export { fetchSealKey, type FetchSealKeyOptions, type GuestTee } from './fetch-key.ts';
export { loadReleased, openReleased, type OpenReleasedOptions, type OpenReleasedResult } from './open-released.ts';
export { listReleases, type ReleaseRow } from './releases.ts';
export {
  type BrokerSetup,
  checkBrokerPolicy,
  type HomeBroker,
  openBrokerWith,
  openHomeBroker,
} from './serve-broker.ts';
