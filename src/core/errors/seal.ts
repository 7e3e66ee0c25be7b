/** Error codes of the seal area: sealed files, key envelopes, key providers, the sealed child process. */
import { defineErrors, EXIT } from './table.ts';

export const sealErrors = defineErrors({
  SEAL_NOT_A_SEAL: { message: 'The file is not a sealed model.', exit: EXIT.malformed, http: 422 },
  SEAL_VERSION_UNKNOWN: {
    message: 'The seal was written by a newer version of the format.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Open it with a newer modelward.',
  },
  SEAL_HEADER_INVALID: { message: 'The header of the seal is malformed.', exit: EXIT.malformed, http: 422 },
  SEAL_SIZE_MISMATCH: {
    message: 'The seal is shorter or longer than its header says.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Copy the file again: it was cut, or something was appended.',
  },
  // One code for a wrong key and for every altered byte: telling them apart would tell an attacker which step failed.
  SEAL_AUTH_FAILED: {
    message: 'The seal does not open: it was altered, or this is not its key.',
    exit: EXIT.malformed,
    http: 422,
  },
  SEAL_NAME_REFUSED: {
    message: 'A file name cannot be sealed.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Names are relative, use "/", hold no "." or ".." part, and differ in more than case.',
  },
  ENVELOPE_INVALID: { message: 'The key envelope is malformed.', exit: EXIT.malformed, http: 422 },
  ENVELOPE_MISMATCH: {
    message: 'The key envelope belongs to another seal.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Give the .keys.json that was written with this seal.',
  },
  ENVELOPE_AUTH_FAILED: {
    message: 'The key envelope was altered, or its key is not the one it was made with.',
    exit: EXIT.noKey,
    http: 403,
  },
  KEY_NOT_FOUND: {
    message: 'None of the keys at hand is a recipient of this envelope.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Name the right key with --key URI.',
  },
  KEY_EXPIRED: { message: 'Every recipient that fits a key here has expired.', exit: EXIT.noKey, http: 403 },
  KEY_REFUSED: { message: 'The key provider refused to use the key.', exit: EXIT.noKey, http: 403 },
  KEY_VERSION_GONE: {
    message: 'The version of the key that wrapped this envelope does not exist any more.',
    exit: EXIT.noKey,
    http: 403,
  },
  KEY_PROVIDER_UNAVAILABLE: {
    message: 'The key provider cannot be reached.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Try again; nothing was changed.',
  },
  KEY_URI_INVALID: {
    message: 'The key URI cannot be read.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Write it as local:PATH, or as docs/keys.md shows for the key service.',
  },
  KEY_URI_SECRET: {
    message: 'The key URI carries a secret, which others can read in the list of processes and in histories.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Put the secret into a file that only you can read, and name the file. Change the secret: it was shown.',
  },
  KEY_SCHEME_UNKNOWN: {
    message: 'No key provider has this name.',
    exit: EXIT.usage,
    http: 400,
    fix: 'The schemes are local, passphrase, aws-kms, gcp-kms, azure-kv, vault, pkcs11, tpm2 and age.',
  },
  KEY_SCHEME_UNAVAILABLE: {
    message: 'This key provider is not available in this version.',
    exit: EXIT.usage,
    http: 501,
    fix: 'Use local:PATH until it is.',
  },
  KEY_CREDENTIALS_MISSING: {
    message: 'No credentials for the key service were found.',
    exit: EXIT.noKey,
    http: 401,
    fix: 'docs/keys.md lists where they are looked for.',
  },
  KEY_CREDENTIALS_INVALID: {
    message: 'The credentials for the key service are malformed.',
    exit: EXIT.noKey,
    http: 401,
  },
  KEY_CREDENTIALS_UNSAFE: {
    message: 'The file with the credentials is not a plain file that only its owner can read.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Set its mode with chmod 600, as its owner.',
  },
  KEY_CREDENTIALS_REFUSED: {
    message: 'The key service does not accept the credentials.',
    exit: EXIT.noKey,
    http: 401,
    fix: 'Renew them; the clock of this machine must be right, too.',
  },
  KEY_SERVICE_MISSING: {
    message: 'The key service knows no such key.',
    exit: EXIT.noKey,
    http: 404,
    fix: 'Make the key in the service first; docs/keys.md shows how.',
  },
  KEY_SERVICE_UNFIT: {
    message: 'The key of the service is of a kind that cannot be used here.',
    exit: EXIT.noKey,
    http: 422,
    fix: 'docs/keys.md shows how to make a fit one.',
  },
  KEY_PACKAGE_MISSING: {
    message: 'A package that speaks to this kind of key is not installed, or was not compiled.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Install the one that is named in the field "package"; docs/keys.md says how.',
  },
  KEY_SERVICE_MALFORMED: {
    message: 'The reply of the key service is malformed, or was damaged on its way.',
    exit: EXIT.environment,
    http: 502,
    fix: 'Try again; nothing was changed.',
  },
  KEY_VERSION_CURRENT: {
    message: 'The version wraps keys now: it is not disabled.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Rotate the key and rewrap the envelopes first.',
  },
  KEY_STORE_MISSING: { message: 'The key file does not exist.', exit: EXIT.noKey, http: 404 },
  KEY_STORE_EXISTS: {
    message: 'The key file already exists, and a key is never overwritten.',
    exit: EXIT.usage,
    http: 409,
  },
  KEY_STORE_INVALID: { message: 'The key file is malformed.', exit: EXIT.malformed, http: 422 },
  KEY_STORE_UNSAFE: {
    message: 'The key file is not a plain file that only its owner can read.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Links are refused; set the mode with chmod 600, as the owner.',
  },
  KEY_STORE_UNWRITABLE: { message: 'The key file cannot be written.', exit: EXIT.environment, http: 500 },
  KEY_NOT_APART: {
    message: 'The key file and the sealed file lie in the same folder tree: whoever copies one copies both.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Choose an --out outside the folder of the key, and a key outside --out.',
  },
  SEALED_CHILD_FAILED: {
    message: 'The child process that runs sealed models ended unexpectedly.',
    exit: EXIT.environment,
    http: 500,
  },
});
