/** Names and forms of the marks of answers (docs/spec/signed-answers.md). */

/** Label and algorithm of what holder of a key and gateway can both make: an integrity tag, no evidence towards others. */
export const TAG = { label: 'tag', alg: 'hmac-sha256' } as const;
/** Label and algorithm of what the gateway alone can make. */
export const SIGNATURE = { label: 'sig', alg: 'ed25519' } as const;

/** Parameter `tag` of both (RFC 9421 section 2.3): what they are made for. */
export const PURPOSE = 'modelward-answer';

/** What both cover, in this order. */
export const COVERED =
  '("@status" "content-digest" "modelward-input-digest" "modelward-log" "x-request-id" "@method";req "@path";req)';

/** Name of the last event of a stream. */
export const LAST_EVENT = 'modelward-integrity';

/** First word of what stands within an answer. */
export const IN_BAND = 'modelward-answer-1';

/** How a key is named in the marks of its answers: `key:k_…` of the log without the kind. */
export function toTagKeyId(principalId: string): string {
  return principalId.startsWith('key:') ? principalId.slice(4) : principalId;
}
