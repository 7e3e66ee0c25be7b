/** Error codes of checking an answer of the gateway: each thing that can be wrong with it by its own name. */
import { defineErrors, EXIT } from './table.ts';

export const integrityErrors = defineErrors({
  INTEGRITY_MISSING: {
    message: 'The answer has no tag or signature of the kind that the given key checks.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Tags are made for API keys; signatures where the gateway was told to sign. Something between may have taken the headers out.',
  },
  INTEGRITY_MALFORMED: {
    message: 'The integrity headers, or the last event of the stream, are not of their form.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Ask again, past any proxy that writes headers or streams anew; the field "at" names what could not be read.',
  },
  INTEGRITY_UNCOVERED: {
    message: 'The tag or signature does not cover all that it has to, or was made for another purpose.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Do not take the answer: the gateway makes no such mark. Look what stands between it and you.',
  },
  INTEGRITY_BODY_CHANGED: {
    message: 'The body is not the one that the gateway sent.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Keep the body as it came: not decompressed by a proxy, not written anew.',
  },
  INTEGRITY_OUTPUT_CHANGED: {
    message: 'The outputs are not those that the gateway sent.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Do not take the answer; check the outputs as the gateway named, typed and shaped them.',
  },
  INTEGRITY_INPUT_OTHER: {
    message: 'The answer is one to another request body.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Give the body of the request byte for byte as it was sent.',
  },
  INTEGRITY_REQUEST_OTHER: {
    message: 'The answer is one to another request: its id or its path is not the one that was asked.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Give path and answer of the same request.',
  },
  INTEGRITY_KEY_OTHER: {
    message: 'The tag or signature was made with another key than the given one.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Take the file of the API key that the request was sent with, or the public key of this gateway.',
  },
  INTEGRITY_TAG_WRONG: {
    message:
      'The integrity tag is wrong: answer, status, method, path or tag were changed, or it is of a rotated secret.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Give method and path as they were sent, and the file of the secret that the request was sent with; if it stays wrong, do not take the answer.',
  },
  INTEGRITY_SIGNATURE_WRONG: {
    message: 'The signature is wrong: answer, status, method, path or signature were changed.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Give method and path as they were sent; if it stays wrong, do not take the answer.',
  },
  INTEGRITY_TOO_OLD: {
    message: 'The answer is older than is taken.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Ask again, or allow for more with --max-age.',
  },
  INTEGRITY_TOO_NEW: {
    message: 'The answer is from a time to come.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Set the clock of this machine.',
  },
  INTEGRITY_STREAM_UNENDED: {
    message: 'The stream ends without its last event: it was cut off.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Ask again: what came is not whole. Clients that stop at [DONE] have to read on to the end.',
  },
  INTEGRITY_PROOF_OTHER: {
    message: 'The proof is one of another answer.',
    exit: EXIT.findings,
    http: 422,
    fix: 'Take the proof of the request id that the answer has.',
  },
  INTEGRITY_FILE_MALFORMED: {
    message: 'The file is not of its form.',
    exit: EXIT.malformed,
    http: 400,
    fix: 'Give what "curl -i" wrote, or headers of "curl -D" and the body; for keys, the JSON of "modelward apikey create" or a public key in PEM.',
  },
  GATEWAY_LOG_NOT_FOUND: {
    message: 'There is no log of requests here.',
    exit: EXIT.usage,
    http: 404,
    fix: 'Name the database that the gateway writes with --database; a log begins with the first request.',
  },
  GATEWAY_KEY_DAMAGED: {
    message: "The gateway's signing key, or what is noted of it, cannot be read, or the ledger does not state it.",
    exit: EXIT.noKey,
    http: 500,
    fix: 'Bring the files of the folder "gateway" back from a backup; checkpoints of the log are verified with every key that the ledger states.',
  },
});
