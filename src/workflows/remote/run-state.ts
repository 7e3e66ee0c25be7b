/** What a check has asked so far, in a file, so that an interrupted one goes on without asking twice (docs/spec/remote-check.md §6). */
import { z } from 'zod';
import { findHexBytes, toHex, utf8 } from '../../core/bytes.ts';
import { toCanonicalJson } from '../../core/canonical-json.ts';
import { RemoteError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { REMOTE_LIMITS } from '../../core/limits/remote.ts';
import type { Random } from '../../core/ports.ts';
import type { Storage } from '../../source/ports.ts';
import type { Answer } from '../../watermark/index.ts';
import { makeParent, writeBytes } from '../write-bytes.ts';

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.number().int().min(0).max(REMOTE_LIMITS.questionsMax);

/** Why a question has no answer. */
export const LACKS = ['refused', 'malformed', 'failed'] as const;
export type Lack = (typeof LACKS)[number];

const outcomeSchema = z.union([
  z.strictObject({ answer: z.union([z.number().int(), z.string().max(64)]) }),
  z.strictObject({ lack: z.enum(LACKS) }),
]);
export type Outcome = { readonly answer: Answer } | { readonly lack: Lack };

const stateSchema = z.strictObject({
  v: z.literal(1),
  kind: z.literal('modelward-remote-run'),
  /** Digest of everything that must be the same for the run to go on. */
  plan: hex32,
  nonce: hex32,
  questions: count,
  normal: count,
  /** Queries sent, retries included. */
  spent: count,
  /** Items of the schedule that are done. */
  done: count,
  outcomes: z.record(z.string().regex(/^\d{1,5}$/), outcomeSchema),
});

export interface RunState {
  readonly nonce: Uint8Array;
  readonly questions: number;
  readonly normal: number;
  spent: number;
  done: number;
  /** By question. */
  readonly outcomes: Map<number, Outcome>;
}

/** What a run is about: the same again goes on, anything else begins anew. */
export interface RunPlan {
  readonly commitment: string;
  readonly annex: string;
  readonly url: string;
  readonly format: string;
  readonly questions: number;
  readonly normal: number;
}

export interface StateFile {
  readonly state: RunState;
  /** True when an earlier run is continued. */
  readonly isResumed: boolean;
  readonly save: () => void;
  remove(): void;
}

/**
 * Continues the run that `path` holds, or begins one.
 * @param path absolute
 * @throws RemoteError REMOTE_STATE_MALFORMED | REMOTE_STATE_OF_ANOTHER_RUN; SourceError
 */
export function openState(
  { storage, random }: { readonly storage: Storage; readonly random: Random },
  path: string,
  plan: RunPlan,
): StateFile {
  const planDigest = toHex(sha256(utf8(toCanonicalJson({ ...plan }))));
  const isResumed = storage.exists(path);
  const state = isResumed ? parseState(storage.read(path), planDigest) : beginState(random, plan);
  return {
    state,
    isResumed,
    save: () => {
      makeParent(storage, path);
      writeBytes(storage, { path, mode: 0o600, bytes: encodeState(state, planDigest) });
    },
    remove: () => {
      if (storage.exists(path)) storage.remove(path);
    },
  };
}

function beginState(random: Random, { questions, normal }: RunPlan): RunState {
  const nonce = new Uint8Array(32);
  random.fill(nonce);
  return { nonce, questions, normal, spent: 0, done: 0, outcomes: new Map() };
}

function encodeState({ nonce, outcomes, ...rest }: RunState, plan: string): Uint8Array {
  const value = { v: 1, kind: 'modelward-remote-run', plan, nonce: toHex(nonce), ...rest };
  return utf8(`${toCanonicalJson({ ...value, outcomes: Object.fromEntries(outcomes) })}\n`);
}

function parseState(bytes: Uint8Array, plan: string): RunState {
  const parsed = bytes.length > REMOTE_LIMITS.stateBytesMax ? undefined : stateSchema.safeParse(findJson(bytes)).data;
  if (parsed === undefined) throw new RemoteError('REMOTE_STATE_MALFORMED');
  if (parsed.plan !== plan) throw new RemoteError('REMOTE_STATE_OF_ANOTHER_RUN');
  const { questions, normal, spent, done } = parsed;
  const outcomes = Object.entries(parsed.outcomes).map(([index, outcome]) => [Number(index), outcome] as const);
  const isWithin = done <= questions + normal && outcomes.every(([index]) => index < questions);
  if (!isWithin) throw new RemoteError('REMOTE_STATE_MALFORMED');
  const nonce = findHexBytes(parsed.nonce) ?? new Uint8Array(32);
  return { nonce, questions, normal, spent, done, outcomes: new Map(outcomes) };
}

function findJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
