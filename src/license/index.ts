/** Licences: signed permission to open one sealed model on one device, and the rules by which it is judged there. */
export { type LicenseClaims, licenseName, type OfflineRules, parseShape } from './claims.ts';
export { toIso } from './clock.ts';
export { encodeEnrolment, type Enrolment, parseEnrolment } from './enrolment.ts';
export { type MaskedParts, maskParts } from './fingerprint.ts';
export { type EcPublicJwk, toThumbprint } from './jwk.ts';
export { type Judgement, judgeLicense, type Situation, type Standing, STANDINGS } from './judge.ts';
export { type DocumentSigner, parseVendorKey, toIssuer, toJoseSignature, type VendorKey } from './jws.ts';
export {
  decryptKeyDocument,
  encryptKeyDocument,
  type KeyDocument,
  openAgreementKey,
  toDekDigest,
} from './key-document.ts';
export {
  DEFAULT_AUDIENCE,
  encodeLicenseFile,
  type LicenseFile,
  parseLicenseFile,
  readUnverified,
  signLicense,
  type VerifiedLicense,
  verifyLicense,
} from './license.ts';
export {
  ACTIONS,
  drawNonce,
  type LicenseAction,
  type LicenseAnswer,
  type LicenseRequest,
  signAnswer,
  signRequest,
  type VerifiedRequest,
  verifyAnswer,
  verifyRequest,
} from './messages.ts';
export * from './ports.ts';
export { activateFromFile, findActive, findRecord, notePending, takeAnswer, withRecord } from './record.ts';
export { assertNewest, decodeState, type DeviceState, encodeState, type LicenseRecord, newState } from './state.ts';
export { signStatusList, STATUS, type Status, type VerifiedStatusList, verifyStatusList } from './status-list.ts';
export { toBase64Url } from './base64url.ts';
