/** Checks an answer of the gateway against its request: headers, or the last event of a stream (docs/spec/signed-answers.md). */
import { isEqualConstantTime } from '../../core/bytes.ts';
import { sha256 } from '../../core/hash.ts';
import type { ProvenRow } from '../log/proof.ts';
import type { LogPlace } from '../ports.ts';
import { checkMark, checkPresence, type Mark } from './check-mark.ts';
import { findLastEvent } from './last-event.ts';
import { COVERED, PURPOSE, SIGNATURE, TAG } from './marks.ts';
import {
  type CheckKeys,
  type CheckTime,
  type CheckedMark,
  Findings,
  type IntegrityReport,
  toReport,
} from './report.ts';
import { findSignatureBase } from './signature-base.ts';
import { type Dictionary, findDictionary, type InnerList, isInnerList, toInnerListText } from './structured.ts';

/** What was asked. */
export interface AskedRequest {
  readonly method: string;
  /** As it was sent, without the query. */
  readonly path: string;
  readonly body: Uint8Array;
}

/** What came. */
export interface ReceivedAnswer {
  readonly status: number;
  /** Lower-case names; values of one name that came more than once are joined by ", ". */
  readonly headers: ReadonlyMap<string, string>;
  /** As it was sent; of a stream all bytes, with the last event. */
  readonly body: Uint8Array;
}

export interface ResponseCheck extends CheckTime {
  readonly request: AskedRequest;
  readonly answer: ReceivedAnswer;
  readonly keys: CheckKeys;
  /** Row of the log that a proof under `keys.publicKey` has shown; it stands for a signature that the answer has not. */
  readonly proven?: ProvenRow | null;
}

/** Never throws for what stands in the answer: all that is wrong is in the report. */
export function verifyResponse({ request, answer, keys, proven = null, ...time }: ResponseCheck): IntegrityReport {
  const findings = new Findings();
  const marked = findMarked(answer, findings);
  if (marked === null) return toReport(findings, [], { requestId: null, place: null });
  const { headers, covered } = marked;
  checkDigest(headers.get('content-digest'), covered, { code: 'INTEGRITY_BODY_CHANGED', findings });
  checkDigest(headers.get('modelward-input-digest'), request.body, { code: 'INTEGRITY_INPUT_OTHER', findings });
  const marks: CheckedMark[] = [];
  for (const mark of readMarks(marked, { request, answer, findings })) {
    marks.push(checkMark(mark, keys, time, findings));
  }
  if (proven !== null) marks.push(checkProven(proven, marked, { request, answer, findings }));
  if (!findings.list.some(({ code }) => code === 'INTEGRITY_MALFORMED' || code === 'INTEGRITY_UNCOVERED')) {
    checkPresence(marks, proven === null ? keys : { ...keys, publicKey: null }, findings);
  }
  const requestId = headers.get('x-request-id') ?? null;
  return toReport(findings, marks, { requestId, place: findPlace(headers.get('modelward-log')) });
}

interface Marked {
  readonly headers: ReadonlyMap<string, string>;
  /** What the digest is of. */
  readonly covered: Uint8Array;
}

function findMarked({ headers, body }: ReceivedAnswer, findings: Findings): Marked | null {
  if (headers.has('content-digest') || headers.has('signature')) return { headers, covered: body };
  if (!/^text\/event-stream\b/i.test(headers.get('content-type') ?? '')) {
    findings.add('INTEGRITY_MISSING');
    return null;
  }
  const last = findLastEvent(body);
  if (last === null) {
    findings.add('INTEGRITY_STREAM_UNENDED');
    return null;
  }
  if (last.members === null) {
    findings.add('INTEGRITY_MALFORMED', { at: 'last event' });
    return null;
  }
  if ((headers.get('x-request-id') ?? last.members.get('x-request-id')) !== last.members.get('x-request-id')) {
    findings.add('INTEGRITY_REQUEST_OTHER');
  }
  return { headers: last.members, covered: body.subarray(0, last.start) };
}

/** The SHA-256 of a digest field (RFC 9530) against the bytes; other algorithms are passed over. */
function checkDigest(
  text: string | undefined,
  bytes: Uint8Array,
  {
    code,
    findings,
  }: { readonly code: 'INTEGRITY_BODY_CHANGED' | 'INTEGRITY_INPUT_OTHER'; readonly findings: Findings },
): void {
  const member = text === undefined ? undefined : findDictionary(text)?.get('sha-256');
  const value = member === undefined || isInnerList(member) ? undefined : member.value;
  if (!(value instanceof Uint8Array) || value.length !== 32) {
    findings.add('INTEGRITY_MALFORMED', {
      at: code === 'INTEGRITY_BODY_CHANGED' ? 'content-digest' : 'modelward-input-digest',
    });
  } else if (!isEqualConstantTime(value, sha256(bytes))) findings.add(code);
}

interface Messages {
  readonly request: AskedRequest;
  readonly answer: ReceivedAnswer;
  readonly findings: Findings;
}

function readMarks({ headers }: Marked, messages: Messages): Mark[] {
  const input = headers.get('signature-input');
  const values = headers.get('signature');
  if (input === undefined && values === undefined) return [];
  const inputs = input === undefined ? null : findDictionary(input);
  const signatures = values === undefined ? null : findDictionary(values);
  if (inputs === null || signatures === null) {
    messages.findings.add('INTEGRITY_MALFORMED', { at: 'signature' });
    return [];
  }
  return [
    { ...TAG, kind: 'tag' as const },
    { ...SIGNATURE, kind: 'signature' as const },
  ].flatMap((form) => readMark(form, { inputs, signatures, headers }, messages) ?? []);
}

interface Fields {
  readonly inputs: Dictionary;
  readonly signatures: Dictionary;
  readonly headers: ReadonlyMap<string, string>;
}

/** null where there is none of this label, or one that is told to be wrong. */
function readMark(
  { label, alg, kind }: { readonly label: string; readonly alg: string; readonly kind: Mark['kind'] },
  { inputs, signatures, headers }: Fields,
  { request, answer, findings }: Messages,
): Mark | null {
  const covered = inputs.get(label);
  const signature = signatures.get(label);
  if (covered === undefined && signature === undefined) return null;
  const value = signature === undefined || isInnerList(signature) ? undefined : signature.value;
  if (covered === undefined || !isInnerList(covered) || !(value instanceof Uint8Array)) {
    findings.add('INTEGRITY_MALFORMED', { at: label });
    return null;
  }
  const params = readParams(covered);
  const isForThis = params?.alg === alg && params.tag === PURPOSE;
  const isWhole = toInnerListText({ items: covered.items, parameters: new Map() }) === COVERED;
  if (params === null || !isForThis || !isWhole) {
    findings.add('INTEGRITY_UNCOVERED', { at: label });
    return null;
  }
  const text = findSignatureBase(covered, (name, isOfRequest) => {
    if (isOfRequest) return name === '@method' ? request.method : request.path;
    return name === '@status' ? String(answer.status) : (headers.get(name) ?? null);
  });
  if (text === null) {
    findings.add('INTEGRITY_MALFORMED', { at: label });
    return null;
  }
  return { kind, keyId: params.keyId, createdMs: params.created * 1000, text, value };
}

/** Largest time of a Date, in seconds. */
const CREATED_MAX = 8_640_000_000_000;

function readParams({ parameters }: InnerList) {
  const created = parameters.get('created');
  const keyId = parameters.get('keyid');
  const isTime = typeof created === 'number' && created >= 0 && created <= CREATED_MAX;
  if (!isTime || typeof keyId !== 'string') return null;
  return { created, keyId, alg: parameters.get('alg'), tag: parameters.get('tag') };
}

/** Whether the row is that of this answer to this request. */
function checkProven(
  { row, stream, index, keyId, signedMs }: ProvenRow,
  { headers, covered }: Marked,
  { request, answer, findings }: Messages,
): CheckedMark {
  const place = findPlace(headers.get('modelward-log'));
  const isInput = row.isInputKeyed || isEqualConstantTime(row.inputHash, sha256(request.body));
  const isAnswer = row.answerHash !== null && isEqualConstantTime(row.answerHash, sha256(covered));
  const isPlace = place?.stream === stream && place.index === index;
  const isSame = row.requestId === headers.get('x-request-id') && row.status === answer.status;
  const isOurs = isInput && isAnswer && isPlace && isSame;
  if (!isOurs) findings.add('INTEGRITY_PROOF_OTHER', { stream, index });
  return { kind: 'proof', keyId, createdMs: signedMs, outcome: isOurs ? 'good' : 'wrong' };
}

function findPlace(text: string | undefined): LogPlace | null {
  const member = text === undefined ? undefined : findDictionary(text)?.get('stream');
  if (member === undefined || isInnerList(member)) return null;
  const index = member.parameters.get('index');
  return typeof member.value === 'string' && typeof index === 'number' && index >= 0
    ? { stream: member.value, index }
    : null;
}
