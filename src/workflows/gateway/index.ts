/** The gateway: who may ask, and the certificates of its front. */
export { type AdminDeskOptions, createAdminDesk } from './admin-desk.ts';
export {
  type ApiKeyChange,
  type ApiKeyDesk,
  type ApiKeyStanding,
  type ApiKeyTerms,
  createApiKey,
  type Deliver,
  findApiKey,
  type IssuedApiKey,
  listApiKeys,
  revokeApiKey,
  rotateApiKey,
  toApiKeyFile,
  toStanding,
} from './api-keys.ts';
export { makeAttestedCertificates, type AttestedOptions } from './attested.ts';
export { initTls, type InitTlsOptions, type InitTlsResult } from './tls-init.ts';
export { type CertificateStatus, readTlsStatus } from './tls-status.ts';
export {
  createLogAnchor,
  type CheckpointNews,
  type LogAnchor,
  type LogStatements,
  readLogStatements,
} from './anchors.ts';
export {
  exportRequests,
  findRequests,
  type FoundRequests,
  proveRequest,
  type RequestLine,
  retainRequests,
  type VerifiedLog,
  verifyRequestLog,
  writeRequests,
} from './log.ts';
export { readResponse, readWholeResponse } from './response-file.ts';
export {
  type GatewayFront,
  type GatewayHost,
  type RunningGateway,
  serveGateway,
  type ServeOptions,
} from './serve/index.ts';
export { type GatewayKey, type GatewayKeyHolder, openGatewayKey } from './signing-key.ts';
export { checkResponse, readPublicKey, readTagKey, type ResponseFiles, toPublicPem } from './verify-response.ts';
