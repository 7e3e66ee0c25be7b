/** Marks answers: digests, an integrity tag, a signature (docs/spec/signed-answers.md). */
import { toBase64 } from '../../core/bytes.ts';
import { toBase64Url } from '../../core/base64url.ts';
import { createTextHmac, type TextHmac } from '../../core/hmac.ts';
import type { GatewaySigner, HeaderList } from '../ports.ts';
import { COVERED, IN_BAND, LAST_EVENT, PURPOSE, SIGNATURE, TAG, toTagKeyId } from './marks.ts';
import type { AnswerSealer, SealedAnswer, SealedRequest } from './ports.ts';
import { toStringText } from './structured.ts';

export interface AnswerSealerOptions {
  /** null: no answer is signed, and those to callers without a tag's key have digests alone. */
  readonly signer: GatewaySigner | null;
  /** True: each answer is signed, at some 35 µs; false: those alone that have no tag. */
  readonly isAlwaysSigned: boolean;
}

export function createAnswerSealer(options: AnswerSealerOptions): AnswerSealer {
  return {
    toHeaders: (request, answer) => toHeaders(options, request, answer),
    toParameters: (request, outputHash) => toParameters(options, request, outputHash),
    toLastEvent: (request, answer) => {
      const fields = Object.fromEntries([
        ['v', 1],
        ...toHeaders(options, request, answer),
        ['x-request-id', request.requestId],
      ]) as Record<string, unknown>;
      return Buffer.from(`event: ${LAST_EVENT}\ndata: ${JSON.stringify(fields)}\n\n`, 'utf8');
    },
  };
}

/** Written out instead of through the general serialiser: this is done for each answer. */
function toHeaders(options: AnswerSealerOptions, request: SealedRequest, answer: SealedAnswer): HeaderList {
  const contentDigest = `sha-256=:${toBase64(answer.bodySha256)}:`;
  const inputDigest = `sha-256=:${toBase64(request.inputSha256)}:`;
  const place = `stream="${answer.place.stream}";index=${answer.place.index}`;
  const headers: [string, string][] = [
    ['content-digest', contentDigest],
    ['modelward-input-digest', inputDigest],
    ['modelward-log', place],
  ];
  const signer = pickSigner(options, request);
  const { tagKey } = request.principal;
  if (tagKey === null && signer === null) return headers;
  const lines = `"@status": ${answer.status}
"content-digest": ${contentDigest}
"modelward-input-digest": ${inputDigest}
"modelward-log": ${place}
"x-request-id": ${request.requestId}
"@method";req: ${request.method}
"@path";req: ${request.path}
"@signature-params": `;
  const created = toSeconds(request.timeMs);
  let [input, values] = ['', ''];
  if (tagKey !== null) {
    const tagger = toTagger(tagKey);
    const params = tagger.toParams(created, request.principal.id);
    input = `${TAG.label}=${params}`;
    values = `${TAG.label}=:${tagger.toTag(lines + params, 'base64')}:`;
  }
  if (signer !== null) {
    const params = toParams(created, signer.keyId, SIGNATURE.alg);
    const separator = input === '' ? '' : ', ';
    input += `${separator}${SIGNATURE.label}=${params}`;
    values += `${separator}${SIGNATURE.label}=:${toBase64(signer.sign(Buffer.from(lines + params, 'utf8')))}:`;
  }
  headers.push(['signature-input', input], ['signature', values]);
  return headers;
}

function toParams(created: number, keyId: string, alg: string): string {
  return `${COVERED};created=${created};keyid=${toStringText(keyId)};alg="${alg}";tag="${PURPOSE}"`;
}

function toParameters(
  options: AnswerSealerOptions,
  request: SealedRequest,
  outputHash: Uint8Array,
): Readonly<Record<string, string>> | undefined {
  const { tagKey } = request.principal;
  const signer = pickSigner(options, request);
  if (tagKey !== null) {
    const text = toInBandText(request, outputHash, { alg: TAG.alg, keyId: toTagKeyId(request.principal.id) });
    const integrity = `${text} ${toTagger(tagKey).toTag(text, 'base64url')}`;
    return signer === null
      ? { integrity }
      : { integrity, integrity_signature: signInBand(signer, request, outputHash) };
  }
  return signer === null ? undefined : { integrity: signInBand(signer, request, outputHash) };
}

function signInBand(signer: GatewaySigner, request: SealedRequest, outputHash: Uint8Array): string {
  const text = toInBandText(request, outputHash, { alg: SIGNATURE.alg, keyId: signer.keyId });
  return `${text} ${toBase64Url(signer.sign(Buffer.from(text, 'utf8')))}`;
}

function toInBandText(
  { timeMs, requestId, path, inputSha256 }: SealedRequest,
  outputHash: Uint8Array,
  { alg, keyId }: { readonly alg: string; readonly keyId: string },
): string {
  const hashes = `${toBase64Url(inputSha256)} ${toBase64Url(outputHash)}`;
  return `${IN_BAND} ${alg} ${keyId} ${toSeconds(timeMs)} ${requestId} ${path} ${hashes}`;
}

/** Prepared once for each key; it goes when the key does. */
const taggers = new WeakMap<Uint8Array, Tagger>();

class Tagger {
  readonly toTag: TextHmac;
  #created = Number.NaN;
  #principalId = '';
  #params = '';

  constructor(tagKey: Uint8Array) {
    this.toTag = createTextHmac(tagKey);
  }

  /** The same within a second, where a caller has one key. */
  toParams(created: number, principalId: string): string {
    if (this.#created !== created || this.#principalId !== principalId) {
      this.#params = toParams(created, toTagKeyId(principalId), TAG.alg);
      this.#created = created;
      this.#principalId = principalId;
    }
    return this.#params;
  }
}

function toTagger(tagKey: Uint8Array): Tagger {
  let tagger = taggers.get(tagKey);
  if (tagger === undefined) {
    tagger = new Tagger(tagKey);
    taggers.set(tagKey, tagger);
  }
  return tagger;
}

function pickSigner({ signer, isAlwaysSigned }: AnswerSealerOptions, { principal }: SealedRequest) {
  return isAlwaysSigned || principal.tagKey === null ? signer : null;
}

function toSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000);
}
