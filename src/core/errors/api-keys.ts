/** Error codes of who may ask and how much: API keys, tokens, and where limits are counted. */
import { defineErrors, EXIT } from './table.ts';

export const apiKeyErrors = defineErrors({
  APIKEY_UNKNOWN: {
    message: 'There is no API key of this id.',
    exit: EXIT.usage,
    http: 404,
    fix: 'Run: modelward apikey list',
  },
  APIKEY_REVOKED: {
    message: 'The API key was revoked; that is for good.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Make a new one with: modelward apikey create',
  },
  APIKEY_SCOPE_INVALID: {
    message: 'A scope is none, or there are too many.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Scopes are infer:MODEL, meta:MODEL, with * for all models, and keys:read, keys:write, audit:read, metrics:read, admin.',
  },
  APIKEY_FIELD_INVALID: {
    message: 'A field of the API key is missing, out of its bounds, or contradicts another.',
    exit: EXIT.usage,
    http: 400,
    fix: 'The field "at" names it; docs/spec/api-keys.md has the bounds.',
  },
  APIKEY_CIDR_INVALID: {
    message: 'A network is not written as ADDRESS/BITS, or has bits set beyond its length.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Write 203.0.113.0/24 or 2001:db8::/32.',
  },
  APIKEY_ROTATING: {
    message: 'The API key has two secrets already.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Wait until the older one has ended, or end it now with --overlap 0.',
  },
  APIKEY_TOO_MANY: {
    message: 'There are as many API keys as are kept.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Revoke keys that nobody uses.',
  },
  APIKEY_PEPPER_INVALID: {
    message: 'The pepper is not 32 bytes or more.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Make one with: openssl rand -hex 32 > pepper.key, mode 600, the same for all machines.',
  },
  APIKEY_RECORD_DAMAGED: {
    message: 'A record in the table of API keys is not one that was written here.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Restore the database from a backup; no key of this record is let in.',
  },
  IDENTITY_RULES_INVALID: {
    message: 'The rules by which tokens or certificates are taken cannot be used.',
    exit: EXIT.usage,
    http: 400,
    fix: 'The field "at" names the rule; docs/spec/api-keys.md lists them.',
  },
  JWKS_UNAVAILABLE: {
    message: 'The keys of the issuer of tokens cannot be fetched.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Look whether the address can be reached from here over HTTPS, without a redirect.',
  },
  JWKS_MALFORMED: {
    message: 'The issuer of tokens gave no set of public keys.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Look at the key set of the issuer, and at the address of the configuration.',
  },
  LIMITS_URL_MALFORMED: {
    message: 'The address of the store of limits cannot be read.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Write rediss://HOST:PORT/NUMBER, or redis:// for a server on this machine; a password only in a file with mode 600.',
  },
  LIMITS_PACKAGE_MISSING: {
    message: 'The package ioredis, which speaks to Redis and Valkey, is not installed in the version that is needed.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Run: npm install ioredis@5.11.1',
  },
  LIMITS_STORE_FAILED: {
    message: 'The store of limits does not answer, or not in time.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Meanwhile each process counts a share by itself; look whether the store runs. Where the reason is CROSSSLOT or MOVED, it is a cluster: set limits.store.cluster to true.',
  },
});
