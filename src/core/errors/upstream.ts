/** Error codes of the lines to inference servers, when they are set up; what callers are told stands in gateway.ts. */
import { defineErrors, EXIT } from './table.ts';

export const upstreamErrors = defineErrors({
  UPSTREAM_URL_INVALID: {
    message: 'This is no address of an inference server.',
    exit: EXIT.usage,
    http: 500,
    fix: 'Give "https://HOST[:PORT][/PATH]", or "http://" for a server on this machine; no user, query or fragment.',
  },
  UPSTREAM_PLAINTEXT: {
    message: 'Requests would go to another machine in plaintext.',
    exit: EXIT.usage,
    http: 500,
    fix: 'Use https, or allow plaintext where nobody else reaches the network between the two.',
  },
  UPSTREAM_ADDRESS_REFUSED: {
    message:
      'No inference server is asked at this address: it is that of a metadata service, link-local, or that of no host.',
    exit: EXIT.usage,
    http: 500,
    fix: 'Give the address of the server; one that is meant all the same goes into the allowed networks.',
  },
  UPSTREAM_SETTING_INVALID: {
    message: 'A setting of the line to an inference server is not taken.',
    exit: EXIT.usage,
    http: 500,
    fix: 'The field "at" says which.',
  },
  UPSTREAM_TLS_INVALID: {
    message: 'The certificates or the key for an inference server cannot be read, or do not fit.',
    exit: EXIT.environment,
    http: 500,
    fix: 'The field "at" says which; files are PEM, keys not encrypted, and 1 MiB at most.',
  },
});
