/** Licences: issued by the vendor, used on a device. */
export { type Answerer, answerRequest, createAnswerer } from './answer.ts';
export { certifyDevice, challengeDevice, type CertifyContext, type CertifyResult, readMakers } from './certify.ts';
export { enrolDevice, type EnrolResult, respondToChallenge, takeCertified } from './enrol.ts';
export { acceptAnswer, makeRequest, type RequestOptions, type TakenAnswer, toTextFile } from './exchange.ts';
export {
  issueLicense,
  type IssueOptions,
  type IssueResult,
  renewLicense,
  type RenewOptions,
  withStore,
} from './issue.ts';
export { type DeviceLedgerKeeper, findLedgerKeeper, toDeviceLedgerFolder } from './ledger.ts';
export { type LicensedSession, loadLicensed, openLicensed, type OpenLicensedResult } from './open.ts';
export { askVendor, holdSeat, type Seat, type SeatOptions } from './seat.ts';
export { createLicenseHandler, type LicenseServerOptions } from './serve.ts';
export type { Device, DeviceServices, VendorServices } from './services.ts';
export { changeStanding, type StandingChange, writeStatusList } from './status.ts';
export type { LicenseTerms } from './terms.ts';
export {
  activateLicense,
  type ActivateResult,
  checkLicense,
  type CheckResult,
  toLicensePath,
  type Trust,
  withLicensedKey,
} from './use.ts';
export { openVendor } from './vendor.ts';
