/**
 * Error codes of what device and vendor say to each other, and of the register of licences (docs/spec/license.md
 * section 9).
 */
import { defineErrors, EXIT } from './table.ts';

export const licenseExchangeErrors = defineErrors({
  LICENSE_GRACE_EXPIRED: {
    message: 'The device had no contact with the vendor for longer than the licence allows.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Go online once, or take a request file to the vendor: "modelward license request".',
  },
  LICENSE_LEASE_MISSING: {
    message: 'The licence is one of a shared pool, and this device holds no seat.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Ask the licence server for a lease.',
  },
  LICENSE_LEASE_EXPIRED: {
    message: "The lease of this device's seat has ended.",
    exit: EXIT.noKey,
    http: 403,
    fix: 'Renew the lease at the licence server.',
  },
  LICENSE_SEATS_TAKEN: {
    message: 'All seats of the pool are taken.',
    exit: EXIT.noKey,
    http: 409,
    fix: 'Wait until a seat is free, or let the owner take one over.',
  },
  LICENSE_TAKEN_OVER: {
    message: 'The seat of this device was taken over by another device.',
    exit: EXIT.noKey,
    http: 409,
    fix: 'Ask for a new lease.',
  },
  LICENSE_REQUEST_MALFORMED: {
    message: 'The request of a device is malformed.',
    exit: EXIT.malformed,
    http: 400,
    fix: 'Make it again with "modelward license request".',
  },
  LICENSE_REQUEST_STALE: {
    message: 'The request of a device is too old, or from the future.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Make a fresh request; check the clock of the device.',
  },
  LICENSE_REQUEST_REPLAYED: {
    message: 'The request of a device was answered before.',
    exit: EXIT.noKey,
    http: 409,
    fix: 'Make a fresh request.',
  },
  LICENSE_PROOF_INVALID: {
    message: 'The request does not prove the device key that it names.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Make the request on the device that the licence is bound to.',
  },
  LICENSE_UNKNOWN: {
    message: 'No such licence was issued here.',
    exit: EXIT.noKey,
    http: 404,
    fix: 'Take the name of the licence from "modelward license show".',
  },
  LICENSE_NAME_TAKEN: {
    message: 'There is a licence of this name already.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Give another name, or renew the licence with "modelward license renew".',
  },
  LICENSE_ANSWER_REPLAYED: {
    message: 'The answer belongs to another request: its number is not the one that was sent.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Do not trust this answer. Make a fresh request.',
  },
  LICENSE_ANSWER_OTHER: {
    message: 'The answer is for another device or another licence.',
    exit: EXIT.noKey,
    http: 403,
    fix: "Give the answer to this device's own request.",
  },
  LICENSE_ANSWER_UNASKED: {
    message: 'The device has sent no request that this could be the answer to.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Make a request first: "modelward license request".',
  },
  LICENSE_REQUESTS_TOO_MANY: {
    message: 'Too many requests for this licence, or for all, were answered lately.',
    exit: EXIT.noKey,
    http: 429,
    fix: 'Wait five minutes; the number of a request is kept until the request would be too old.',
  },
  LICENSE_STORE_FAILED: {
    message: 'The register of licences that was found in the home cannot be taken over.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Restore licenses.json from a backup, or move it away when all its licences are in the register already.',
  },
  LICENSE_REGISTER_MOVED: {
    message: 'The register of licences was moved; this one is not used any more.',
    exit: EXIT.environment,
    http: 409,
    fix: 'Use the one that the field "to" names: "modelward license register --use URL".',
  },
  LICENSE_REGISTER_NOT_EMPTY: {
    message: 'The register that licences are to be moved to has some already.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Move to an empty one, or use that one as it is: "modelward license register --use URL" without --move.',
  },
  LICENSE_LOG_TAKEN: {
    message: 'Another home writes the log of this name: two would be two histories under one key.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Restore the backup of the owner into an empty home with a log of its own: "modelward keys restore BACKUP --log NAME".',
  },
  LICENSE_SERVER_UNAVAILABLE: {
    message: 'The licence server gives no usable answer.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Try again later; within the grace period the licence works without it.',
  },
  LICENSE_SERVER_INSECURE: {
    message: 'The address of the licence server is not https.',
    exit: EXIT.usage,
    http: 400,
    fix: 'Give an address such as https://licences.acme.example:8444, without a user or a query.',
  },
});
