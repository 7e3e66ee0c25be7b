/** Licences: signed permission to open one sealed model on one device, and the rules by which it is judged there. */
export {
  assertEndorsed,
  type CertifiedEnrolment,
  encodeCertifiedFile,
  type EnrolmentFile,
  readEnrolmentFile,
  signCertified,
} from './certified.ts';
export {
  type SecretOf,
  signChallenge,
  signResponse,
  type VerifiedChallenge,
  type VerifiedResponse,
  verifyChallenge,
  verifyResponse,
} from './challenge.ts';
export { toFloor } from './chip-clock.ts';
export { isAtLeast, type LicenseClaims, licenseName, type OfflineRules, parseShape } from './claims.ts';
export { toIso } from './clock.ts';
export { deriveDeviceSecret, type RememberingKey, rememberOwnAgreement } from './device-secret.ts';
export {
  encodeEnrolment,
  type Enrolment,
  parseEnrolment,
  readEndorsement,
  toEndorsementTexts,
} from './enrolment.ts';
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
