/** Error codes of certificates: those that a server shows, those that it asks for, and those of "tls init". */
import { defineErrors, EXIT } from './table.ts';

export const tlsErrors = defineErrors({
  TLS_FILE_UNREADABLE: {
    message: 'A file of certificates or keys cannot be read.',
    exit: EXIT.environment,
    http: 500,
    fix: 'The field "part" says which; the file must be there, readable, and at most 1 MiB.',
  },
  TLS_CERTIFICATE_MALFORMED: {
    message: 'The file holds no certificates in PEM.',
    exit: EXIT.malformed,
    http: 500,
    fix: 'Give the certificate of the server first, then those above it.',
  },
  TLS_CHAIN_BROKEN: {
    message: 'A certificate in the file is not issued by the one that follows it.',
    exit: EXIT.malformed,
    http: 500,
    fix: 'Give the certificate of the server first, then its issuer, then the issuer of that one.',
  },
  TLS_CERTIFICATE_EXPIRED: {
    message: 'A certificate is not valid now.',
    exit: EXIT.malformed,
    http: 500,
    fix: 'Renew it, or set the clock of this machine right.',
  },
  TLS_KEY_MALFORMED: {
    message: 'The file holds no private key in PEM that is not encrypted.',
    exit: EXIT.malformed,
    http: 500,
    fix: 'Give a private key in PEM that is not encrypted.',
  },
  TLS_KEY_MISMATCH: {
    message: 'The private key is not the one of the certificate.',
    exit: EXIT.malformed,
    http: 500,
    fix: 'Give the private key that belongs to the first certificate of the file.',
  },
  TLS_KEY_EXPOSED: {
    message: 'Others than its owner may read the file of the private key.',
    exit: EXIT.noKey,
    http: 500,
    fix: 'chmod 600 the file, or 640 where root owns it; was it readable for long, have a new certificate made with a new key.',
  },
  TLS_AUTHORITIES_MALFORMED: {
    message: 'The authorities of client certificates cannot be read, or one of them is no authority.',
    exit: EXIT.malformed,
    http: 500,
    fix: 'Give certificates of authorities in PEM.',
  },
  TLS_REVOCATIONS_MALFORMED: {
    message: 'The revocation lists cannot be read.',
    exit: EXIT.malformed,
    http: 500,
    fix: 'Give one list of each authority, in PEM.',
  },
  TLS_NAME_INVALID: {
    message: 'This is no name or address that a certificate can be made out to.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Give DNS names without wildcards, or addresses of IPv4 or IPv6.',
  },
  TLS_CLIENT_INVALID: {
    message: 'This is no name of a client.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Use letters, digits, "-", "_" and ".", 64 at most; no two clients alike.',
  },
  TLS_PASSPHRASE_SHORT: {
    message: 'The passphrase of the authority is too short.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Choose a passphrase with at least as many characters as the field "charsMin" tells.',
  },
});
