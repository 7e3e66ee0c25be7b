/** What a key URI says once it was read (docs/spec/key-envelope.md section 5); none of it is secret. */

/** A file on this machine. */
export interface PathKeyUri<S extends string> {
  readonly scheme: S;
  /** As written. */
  readonly path: string;
}

/** A recipient of age, `age1…`: wraps, and cannot unwrap. */
export interface AgeRecipientUri {
  readonly scheme: 'age';
  readonly recipient: string;
}

export interface Tpm2Uri {
  readonly scheme: 'tpm2';
  /** Path of the key file. */
  readonly path: string;
  /** PCRs that a new key hangs on, ascending; null means the default, none: an empty list. */
  readonly pcrs: readonly number[] | null;
  /** Path of the TPM's character device, or `tcp:127.0.0.1:PORT` of a software TPM; null means the machine's own. */
  readonly device: string | null;
}

export interface AwsKmsUri {
  readonly scheme: 'aws-kms';
  /** A key id, key ARN, `alias/NAME` or alias ARN. */
  readonly key: string;
  /** Ids of keys that the alias led to before, and that may still open; empty for a key. */
  readonly also: readonly string[];
  readonly region: string;
  /** Another end point than the region's own: https, or http to this machine. */
  readonly endpoint: string | null;
  /** Profile of the AWS configuration files; null means their default. */
  readonly profile: string | null;
}

export interface GcpKmsUri {
  readonly scheme: 'gcp-kms';
  /** `projects/…/locations/…/keyRings/…/cryptoKeys/…`. */
  readonly key: string;
  readonly endpoint: string | null;
  /** Path of a service account's key file; null means the machine's own account. */
  readonly credentialsPath: string | null;
}

export interface VaultUri {
  readonly scheme: 'vault';
  /** Where the transit engine is mounted. */
  readonly mount: string;
  readonly key: string;
  /** Origin of the server: https, or http to this machine. */
  readonly addr: string;
  readonly namespace: string | null;
  /** Path of a PEM file with the authority that signed the server's certificate. */
  readonly caPath: string | null;
  /** Path of the file that holds the token; null means `~/.vault-token`. */
  readonly tokenPath: string | null;
  /** Path of a JSON file with `role_id` and `secret_id`; excludes a token. */
  readonly appRolePath: string | null;
}

export interface AzureKvUri {
  readonly scheme: 'azure-kv';
  /** Origin of the vault or Managed HSM. */
  readonly vault: string;
  readonly key: string;
  /** Path of a JSON file with `tenantId`, `clientId` and `clientSecret`; null means the machine's managed identity. */
  readonly credentialsPath: string | null;
  /** Where tokens are asked for: https, or http to this machine; null means Microsoft's own. */
  readonly login: string | null;
}

export type Pkcs11Attribute =
  | 'token'
  | 'manufacturer'
  | 'serial'
  | 'model'
  | 'library-manufacturer'
  | 'library-version'
  | 'library-description'
  | 'slot-manufacturer'
  | 'slot-description'
  | 'slot-id'
  | 'object'
  | 'id'
  | 'type';

export interface Pkcs11Uri {
  readonly scheme: 'pkcs11';
  /** As RFC 7512 names them, percent-decoded; `id` as lower-case hex. */
  readonly attributes: Readonly<Partial<Record<Pkcs11Attribute, string>>>;
  readonly modulePath: string | null;
  readonly moduleName: string | null;
  /** Path of the file that holds the PIN. */
  readonly pinPath: string | null;
}

export type KeyUri =
  | PathKeyUri<'local'>
  | PathKeyUri<'passphrase'>
  | Tpm2Uri
  | PathKeyUri<'age'>
  | AgeRecipientUri
  | AwsKmsUri
  | GcpKmsUri
  | VaultUri
  | AzureKvUri
  | Pkcs11Uri;

export type KeyScheme = KeyUri['scheme'];

export type KeyUriOf<S extends KeyScheme> = Extract<KeyUri, { readonly scheme: S }>;
