/** Who asks: API keys, tokens of identity providers, client certificates; what their scopes allow. */
export { type CertificateMapper, type CertificateRule, createCertificateMapper } from './certificate.ts';
export { behindProxies } from './forwarded.ts';
export { createIdentifier, type IdentifierOptions } from './identifier.ts';
export { drawBase62, drawKeyText, isKeyFormed, isKeyLike, KEY_CHARS } from './key-form.ts';
export { createKeyHasher, type KeyHasher } from './key-hash.ts';
export { assertRoom, KeyIndex } from './key-index.ts';
export { type KeyWatchOptions, openKeyWatch } from './key-watch.ts';
export { type IssuerWatchOptions, watchIssuers } from './issuer-watch.ts';
export { createNetworkCheck } from './networks.ts';
export { type IssuerState, openTokenVerifier, type TokenVerifier, type TokenVerifierOptions } from './open-tokens.ts';
export { isFailure } from './refusals.ts';
export { isKeyId, isTenant, toApiKeyRecord, toPrincipalLimits } from './record.ts';
export { ADMIN_SCOPES, type AdminScope, assertScopes, isScope, mayAdminister, mayUseModel } from './scopes.ts';
export { deriveTagKey } from './tag-key.ts';
export { type ClaimPath, TOKEN_ALGORITHMS, type TokenAlgorithm, type TokenRules } from './token-rules.ts';
