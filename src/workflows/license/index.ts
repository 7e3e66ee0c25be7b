/** Licences: issued by the vendor, used on a device. */
export { answerRequest } from './answer.ts';
export { enrolDevice, type EnrolResult } from './enrol.ts';
export { acceptAnswer, makeRequest, type RequestOptions, type TakenAnswer, toTextFile } from './exchange.ts';
export {
  issueLicense,
  type IssueOptions,
  type IssueResult,
  renewLicense,
  type RenewOptions,
  withStore,
} from './issue.ts';
export { type LicensedSession, loadLicensed, openLicensed, type OpenLicensedResult } from './open.ts';
export { createLicenseHandler, type LicenseServerOptions } from './serve.ts';
export type { Device, DeviceServices, VendorServices } from './services.ts';
export { changeStanding, type StandingChange, writeStatusList } from './status.ts';
export type { LicenseTerms } from './terms.ts';
export { activateLicense, checkLicense, toLicensePath, type Trust, withLicensedKey } from './use.ts';
export { openVendor } from './vendor.ts';
