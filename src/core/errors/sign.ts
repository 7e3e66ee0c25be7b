/** Error codes of the sign area: signatures, owner keys, backups, timestamps. */
import { defineErrors } from './table.ts';

export const signErrors = defineErrors({
  SIGN_KEY_INVALID: {
    message: 'The key is not a P-256 key in the expected form.',
    exit: 3,
    http: 400,
    fix: 'Give a P-256 (prime256v1) public key as SPKI PEM.',
  },
  SIGN_ENVELOPE_MALFORMED: {
    message: 'The signed document is not a DSSE v1 envelope.',
    exit: 3,
    http: 400,
    fix: 'Give the file as it was written; it is JSON with payload, payloadType and signatures.',
  },
  SIGN_TYPE_MISMATCH: {
    message: 'The signed document is of another type than the one asked for.',
    exit: 3,
    http: 400,
    fix: 'Check that the right file was given; the field payloadType says what it is.',
  },
  SIGN_OTHER_SIGNER: {
    message: 'The document is not signed by the expected key.',
    exit: 3,
    http: 403,
    fix: 'Give the public key of the signer, and check with them that it is theirs.',
  },
  SIGN_SIGNATURE_INVALID: {
    message: 'The signature does not fit the document: one of the two was altered.',
    exit: 3,
    http: 403,
    fix: 'Get the document again from its signer. Do not use it as it is.',
  },
  SIGN_OWNER_MALFORMED: {
    message: 'The owner file is not readable as an owner identity.',
    exit: 3,
    http: 400,
    fix: 'Restore the owner from its passphrase backup.',
  },
  SIGN_SIGNER_MALFORMED: {
    message: 'The file of the signer does not hold exactly one public key.',
    exit: 3,
    http: 400,
    fix: 'Give what the signer handed out: the output of "modelward keys show", owner.json, or the key as PEM.',
  },
  SIGN_OWNER_MISMATCH: {
    message: 'The secret keys of the owner file do not belong to its public identity.',
    exit: 3,
    http: 400,
    fix: 'Restore the owner from its passphrase backup.',
  },
  SIGN_SEED_REFUSED: {
    message: 'The sealed seed cannot be opened with this owner key.',
    exit: 5,
    http: 403,
    fix: 'Use the owner identity that made the claim, and the claim file as it was written.',
  },
  SIGN_PASSPHRASE_SHORT: {
    message: 'The passphrase is too short.',
    exit: 2,
    http: 400,
    fix: 'Use at least 12 characters; five random words are better.',
  },
  SIGN_BACKUP_MALFORMED: {
    message: 'The backup file is not an owner backup, or asks for key-derivation costs outside the accepted range.',
    exit: 3,
    http: 400,
    fix: 'Give the backup file as it was written.',
  },
  SIGN_BACKUP_REFUSED: {
    message: 'The backup cannot be opened: the passphrase is wrong or the file was altered.',
    exit: 5,
    http: 403,
    fix: 'Try the passphrase again; letter case and spaces count.',
  },
  SIGN_TIMESTAMP_MALFORMED: {
    message: 'The timestamp answer or token is not well-formed (RFC 3161, DER).',
    exit: 3,
    http: 502,
    fix: 'Ask another timestamp authority, or report the answer to this one.',
  },
  SIGN_TIMESTAMP_REFUSED: {
    message: 'The timestamp authority refused the request.',
    exit: 6,
    http: 502,
    fix: 'Read the status that the authority gave; ask again later or ask another one.',
  },
  SIGN_TIMESTAMP_MISMATCH: {
    message: 'The timestamp is about other data than the data at hand, or answers another request.',
    exit: 3,
    http: 403,
    fix: 'Check that token and data belong together.',
  },
  SIGN_TIMESTAMP_INVALID: {
    message: 'The signature of the timestamp or the certificate that made it does not hold.',
    exit: 3,
    http: 403,
    fix: 'Do not rely on this timestamp.',
  },
  SIGN_TIMESTAMP_UNTRUSTED: {
    message: 'The certificate of the timestamp authority does not lead to a given root.',
    exit: 3,
    http: 403,
    fix: 'Give the root certificate of the authority, got from a source that you trust.',
  },
});
