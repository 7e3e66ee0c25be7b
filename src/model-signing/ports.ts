/** Ports of model signing: who signs, and who knows Sigstore. */

/**
 * Signs messages with one elliptic-curve key: in this process, in a token (PKCS#11), in a key service.
 *
 * An implementer hashes `message` with the hash that belongs to the curve of its key (P-256: SHA-256, P-384: SHA-384,
 * P-521: SHA-512) and returns an ECDSA signature in ASN.1 DER. It must never log or keep `message`. What it returns
 * is verified before it is used, so it need not be trusted to be right. A `MessageSigner` of `sign/` is one.
 */
export interface ModelSigner {
  /** SPKI PEM, as OpenSSL writes it. */
  readonly publicKeyPem: string;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** Who a keyless certificate names. */
export interface SigstoreIdentity {
  /** Subject alternative name: an e-mail address, or the URI of a workflow. */
  readonly identity: string;
  /** The OpenID Connect provider that vouched for it, a URL. */
  readonly issuer: string;
}

/**
 * Verifies keyless bundles of Sigstore against a trusted root given as a file.
 *
 * An implementer verifies certificate chain, log entries, timestamps and the signature over the envelope of the very
 * bytes it is given, asks no network, and rejects with ModelSigningError OMS_SIGSTORE_REFUSED. Whom the
 * certificate names is returned, not judged.
 */
export interface SigstoreVerifier {
  verify(bundle: Uint8Array): SigstoreIdentity;
}
