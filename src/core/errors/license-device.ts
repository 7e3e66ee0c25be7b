/**
 * Error codes of the device that licences are for: its key, its machine, its record and its clocks
 * (docs/spec/license.md section 9).
 */
import { defineErrors, EXIT } from './table.ts';

export const licenseDeviceErrors = defineErrors({
  LICENSE_DEVICE_KEY_MISSING: {
    message: 'This device has no device key.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Run "modelward license enrol" on this device, and send the enrolment to the vendor.',
  },
  LICENSE_DEVICE_KEY_EXISTS: {
    message: 'This device has a device key already.',
    exit: EXIT.usage,
    http: 409,
    fix: 'Use it: licences hang on it. Enrol anew in another home.',
  },
  LICENSE_DEVICE_KEY_INVALID: {
    message: 'The device key cannot be read, or others than its owner can read it.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Restore the file with mode 0600, or enrol the device anew and ask for new licences.',
  },
  LICENSE_DEVICE_MISMATCH: {
    message: 'The licence is bound to the key of another device.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'A copied licence opens nothing. Enrol this device, and ask the vendor for a licence of its own.',
  },
  LICENSE_ASSURANCE_LOW: {
    message: 'The device key is in a file, or is not proven to be in a TPM, and more is demanded.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Enrol with a TPM ("modelward license enrol --tpm"), have that certified where it is demanded, and ask for a licence for that key.',
  },
  LICENSE_CLOCK_ROLLBACK: {
    message: 'The clock of this device shows a time before one that it has seen.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Set the clock right; the fields tell both times.',
  },
  LICENSE_NOT_ACTIVATED: {
    message: 'The licence was not activated on this device.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Run "modelward license activate" first.',
  },
  LICENSE_STATE_MISSING: {
    message: 'The record of activated licences is gone.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Restore nothing by hand: make an offline request and let the vendor answer it, then activate again.',
  },
  LICENSE_STATE_BUSY: {
    message: 'Another process works with the record of activated licences.',
    exit: EXIT.environment,
    http: 503,
    fix: 'Try again when it is done. The folder of the device must not be shared between machines.',
  },
  LICENSE_LEDGER_FAILED: {
    message: 'The ledger of this device could not record this, so no key was handed out.',
    exit: EXIT.environment,
    http: 503,
    fix: 'The field "reason" tells why: make room, or make the folder of the device writable. "modelward ledger fsck --device" checks the ledger.',
  },
  LICENSE_LEDGER_ROLLED_BACK: {
    message: 'Entries of the ledger of this device are gone.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Put the folder "ledger" of the device back as it was. If it is lost, begin a new record: "modelward license request --reset".',
  },
  LICENSE_STATE_MALFORMED: {
    message: 'The record of activated licences is malformed.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Ask the vendor for an answer to a fresh request, and activate again.',
  },
  LICENSE_STATE_TAMPERED: {
    message: "The record of activated licences was not written with this device's key.",
    exit: EXIT.noKey,
    http: 403,
    fix: 'It was edited, or is of another device. Ask the vendor for an answer to a fresh request, and activate again.',
  },
  LICENSE_RECORD_FULL: {
    message: 'The record of this device holds as many licences as it can.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Begin a new record with "modelward license request --reset"; each licence that is still used needs an answer of the vendor.',
  },
  LICENSE_STATE_ROLLED_BACK: {
    message: 'An older record of activated licences was put back.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Ask the vendor for an answer to a fresh request, and activate again.',
  },
  LICENSE_FINGERPRINT_MISMATCH: {
    message: 'Too few parts of this machine are those that the licence was made for.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Ask the vendor for a licence for the machine as it is now.',
  },
  LICENSE_FINGERPRINT_UNREADABLE: {
    message: 'Too few parts of this machine can be read to recognise it.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Run with the rights that the enrolment had, or enrol anew with --device-id.',
  },
  LICENSE_ENROLMENT_MALFORMED: {
    message: 'The enrolment of a device is malformed.',
    exit: EXIT.malformed,
    http: 422,
    fix: 'Make it again with "modelward license enrol" on the device.',
  },
  LICENSE_EK_MISSING: {
    message: 'No maker certified the TPM of this device, or it does not tell.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Enrol with --tpm on a machine whose TPM has a certificate of its endorsement key; virtual TPMs often have none.',
  },
  LICENSE_EK_UNTRUSTED: {
    message:
      "The certificate of the TPM's endorsement key does not lead to a maker that was pinned, or is none of such a key.",
    exit: EXIT.noKey,
    http: 403,
    fix: 'The field "reason" says what is wrong. Give the certificates of the maker, root and those below it, with --ek-ca.',
  },
  LICENSE_EK_EXPIRED: {
    message: "A certificate of the TPM's maker is not valid now.",
    exit: EXIT.noKey,
    http: 403,
    fix: 'Check the clock; else ask the maker of the TPM for newer certificates.',
  },
  LICENSE_EK_REVOKED: {
    message: "The certificate of the TPM's endorsement key, or of an authority above it, was revoked.",
    exit: EXIT.noKey,
    http: 403,
    fix: 'Do not trust this TPM.',
  },
  LICENSE_EK_MISMATCH: {
    message: 'The certificate is of another endorsement key than the one that is told.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Enrol again on the device whose TPM it is. The endorsement seed of a TPM may have been changed: then no certificate fits.',
  },
  LICENSE_DEVICE_KEY_WEAK: {
    message: 'The device key is not of the kind that a TPM makes inside and never gives out.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'The field "faults" says what is missing or too much. Make the key with "modelward license enrol --tpm".',
  },
  LICENSE_CREDENTIAL_REFUSED: {
    message: 'The TPM did not open the challenge: it is for another TPM, or for another key.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Answer a challenge on the device, and with the key, whose enrolment it was made for.',
  },
  LICENSE_CHALLENGE_OTHER: {
    message: 'The challenge is for another enrolment than the last one of this device.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Send the newest enrolment to the vendor, and answer the challenge to that one.',
  },
  LICENSE_CLOCK_STOPPED: {
    message: 'The clock of the system stood still, or was set back, while the clock of the TPM went on.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Set the clock. If it is right, ask the vendor: "modelward license request" and "modelward license accept" bring his time.',
  },
  LICENSE_CLOCK_UNTRUSTED: {
    message: 'The clock of the TPM went back, which it does not do.',
    exit: EXIT.noKey,
    http: 403,
    fix: 'Something answers for the TPM, or it was cleared. Begin a new record: "modelward license request --reset".',
  },
});
