/** Checks what stands within an answer of the Open Inference Protocol: `parameters.integrity` (docs/spec/signed-answers.md section 4). */
import { findBase64Url } from '../../core/base64url.ts';
import { isEqualConstantTime } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import { INTEGRITY_LIMITS } from '../../core/limits/integrity.ts';
import { checkMark, checkPresence } from './check-mark.ts';
import { IN_BAND, SIGNATURE, TAG } from './marks.ts';
import { type CheckKeys, type CheckTime, Findings, type IntegrityReport, toReport } from './report.ts';

export interface InBandCheck extends CheckTime {
  readonly integrity: string;
  readonly request: { readonly path: string; readonly body: Uint8Array };
  /** Of the answer's tensors (docs/spec/tensor-hash.md). */
  readonly outputHash: Uint8Array;
  readonly keys: CheckKeys;
}

/** Never throws for what stands in the answer. */
export function verifyInBand({ integrity, request, outputHash, keys, ...time }: InBandCheck): IntegrityReport {
  const findings = new Findings();
  const read = findInBand(integrity);
  if (read === null) {
    findings.add('INTEGRITY_MALFORMED', { at: 'parameters.integrity' });
    return toReport(findings, [], { requestId: null, place: null });
  }
  if (read.path !== request.path) findings.add('INTEGRITY_REQUEST_OTHER');
  if (!isEqualConstantTime(read.input, sha256(request.body))) findings.add('INTEGRITY_INPUT_OTHER');
  if (!isEqualConstantTime(read.output, outputHash)) findings.add('INTEGRITY_OUTPUT_CHANGED');
  const mark = checkMark(read, keys, time, findings);
  const { kind } = mark;
  // One string has one mark: that there is none of the other kind is no fault of it.
  const asked = { tag: kind === 'tag' ? keys.tag : null, publicKey: kind === 'signature' ? keys.publicKey : null };
  checkPresence([mark], asked.tag === null && asked.publicKey === null ? keys : asked, findings);
  return toReport(findings, [mark], { requestId: read.requestId, place: null });
}

function findInBand(integrity: string) {
  const words = integrity.length > INTEGRITY_LIMITS.markBytesMax ? [] : integrity.split(' ');
  if (words.length !== 9 || words[0] !== IN_BAND) return null;
  const [, alg, keyId, seconds, requestId, path] = words;
  const [input, output, value] = words.slice(6).map(findBase64Url);
  const isAlg = alg === TAG.alg || alg === SIGNATURE.alg;
  if (!isAlg || !/^\d{1,12}$/.test(seconds) || input?.length !== 32 || output?.length !== 32 || value === undefined) {
    return null;
  }
  const text = integrity.slice(0, integrity.lastIndexOf(' '));
  const kind = alg === TAG.alg ? ('tag' as const) : ('signature' as const);
  return { kind, keyId, createdMs: Number(seconds) * 1000, requestId, path, input, output, text, value };
}
