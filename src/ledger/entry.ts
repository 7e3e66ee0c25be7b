/** Entries: the closed table of types, their checks, and the RFC 8785 bytes of a leaf (docs/spec/ledger.md §4). */
import { z } from 'zod';
import { type Json, toCanonicalJson, toCanonicalJsonBytes } from '../core/canonical-json.ts';
import { LedgerError } from '../core/errors.ts';
import { LEDGER_LIMITS } from '../core/limits/ledger.ts';

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.int().min(0);
const name = z.string().min(1).max(512);
const code = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const useId = z.string().regex(/^[0-9a-f]{32}$/);
const timestamp = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

/** SHA-256 digests, hex; the named ones must be there, others may be. */
const digests = <const K extends string>(...required: readonly K[]) =>
  z.object(Object.fromEntries(required.map((key) => [key, digest])) as Record<K, typeof digest>).catchall(digest);

/** Sizes of the free parts: enough for 32 named values of every kind. */
const sensitive = z.record(z.string().regex(/^[A-Za-z][A-Za-z0-9]{0,63}$/), z.json());
const common = { actor: name, subject: name, sensitive: sensitive.optional() };

/** One row per type: which digests an entry must carry, and its own details. */
const TYPES = {
  mark: {
    digests: digests('original', 'marked'),
    detail: z.strictObject({ scheme: name, bits: count, tau: z.number().optional(), recipient: name.optional() }),
  },
  commit: { digests: digests('commitment'), detail: z.strictObject({ version: count.optional() }) },
  annex: { digests: digests('annex', 'commitment'), detail: z.strictObject({ kind: code }) },
  baseline: { digests: digests('model', 'baseline'), detail: z.strictObject({ leaves: count.optional() }) },
  'model-signature': {
    digests: digests('model', 'signature', 'key'),
    detail: z.strictObject({ method: z.enum(['key', 'certificate']), resources: count }),
  },
  seal: { digests: digests('sealed'), detail: z.strictObject({ sealId: name, bytes: count.optional() }) },
  open: { digests: digests(), detail: z.strictObject({ sealId: name, purpose: name.optional() }) },
  'key-use-intent': {
    digests: digests(),
    detail: z.strictObject({
      useId,
      operation: name,
      keyRef: name,
      keyVersion: name.optional(),
      purpose: name.optional(),
    }),
  },
  'key-use-outcome': {
    digests: digests(),
    detail: z.strictObject({
      useId,
      outcome: z.enum(['done', 'failed', 'refused']),
      code: code.optional(),
      keyRef: name.optional(),
      keyVersion: name.optional(),
    }),
  },
  license: {
    digests: digests('license'),
    detail: z.strictObject({ action: code, name, seq: count.min(1), device: name }),
  },
  'license-use': {
    digests: digests(),
    detail: z.strictObject({ action: code, outcome: code, name: name.optional(), seq: count.min(1).optional() }),
  },
  enrolment: { digests: digests('enrolment', 'endorsement'), detail: z.strictObject({ device: name }) },
  'key-release': {
    digests: digests('policy', 'evidence'),
    detail: z.strictObject({
      outcome: z.enum(['released', 'refused']),
      code: code.optional(),
      reasons: z.array(code).max(64).optional(),
      sealId: name.optional(),
      tee: code,
      session: digest,
      recipient: name,
    }),
  },
  'api-key': { digests: digests('record'), detail: z.strictObject({ action: code, tenant: name, secrets: count }) },
  'gateway-key': { digests: digests('key'), detail: z.strictObject({ publicKey: name }) },
  'request-log': { digests: digests('checkpoint'), detail: z.strictObject({ seq: count }) },
  'request-log-dropped': { digests: digests(), detail: z.strictObject({ rows: count, daysKept: count.min(1) }) },
  'recipient-added': { digests: digests('before', 'after'), detail: z.strictObject({ to: name }) },
  rewrap: { digests: digests('before', 'after'), detail: z.strictObject({ from: name, to: name }) },
  detect: {
    digests: digests('suspect'),
    detail: z.strictObject({
      verdict: z.enum(['claim', 'flag', 'supporting', 'none', 'inconclusive']),
      evidenceBits: z.number().nullable(),
      trials: z.number().min(0).optional(),
    }),
  },
  lineage: {
    digests: digests('suspect'),
    detail: z.strictObject({
      verdict: z.enum(['derived', 'unrelated', 'inconclusive']),
      rule: code.optional(),
      originals: count,
      nulls: count,
    }),
  },
  verify: {
    digests: digests('model', 'baseline'),
    detail: z.strictObject({ verdict: z.enum(['unchanged', 'changed', 'inconclusive']), changes: count.optional() }),
  },
  refusal: {
    digests: digests(),
    detail: z.strictObject({ cause: code, minute: timestamp, count: count.min(1), first: timestamp, last: timestamp }),
  },
  'checkpoint-published': {
    digests: digests('note'),
    detail: z.strictObject({ size: count, where: name, tokenDigest: digest.optional() }),
  },
} as const;

export type EntryType = keyof typeof TYPES;

/** All entry types, in the order of the specification. */
export const ENTRY_TYPES = Object.keys(TYPES) as readonly EntryType[];

const KEY_USE: ReadonlySet<EntryType> = new Set<EntryType>(['key-use-intent', 'key-use-outcome', 'license-use']);

interface InputOf<T extends EntryType> {
  readonly type: T;
  /** Who acted: owner id, user or service name. */
  readonly actor: string;
  /** What it was done to: a model, seal, key or claim id; never a secret. */
  readonly subject: string;
  readonly digests: z.infer<(typeof TYPES)[T]['digests']>;
  readonly detail: z.infer<(typeof TYPES)[T]['detail']>;
  /** Values that the leaf shows as salted commitments only. */
  readonly sensitive?: Readonly<Record<string, Json>>;
}

/** What a caller asks to record. */
export type EntryInput = { [T in EntryType]: InputOf<T> }[EntryType];

/** A leaf as stored. */
export interface Entry {
  readonly v: 1;
  /** Index of the leaf. */
  readonly seq: number;
  /** UTC, milliseconds: 2026-01-31T23:59:59.999Z. */
  readonly ts: string;
  readonly type: EntryType;
  readonly actor: string;
  readonly subject: string;
  readonly digests: Readonly<Record<string, string>>;
  readonly detail: Readonly<Record<string, Json>>;
  /** Field name to commitment, hex. */
  readonly commitments?: Readonly<Record<string, string>>;
}

const types = Object.keys(TYPES) as [EntryType, ...EntryType[]];
const inputSchemas = new Map<string, z.ZodType>(
  types.map((type) => [type, z.strictObject({ type: z.literal(type), ...common, ...TYPES[type] })]),
);
const leafSchemas = new Map<string, z.ZodType>(
  types.map((type) => [
    type,
    z.strictObject({
      v: z.literal(1),
      seq: count,
      ts: timestamp,
      type: z.literal(type),
      actor: name,
      subject: name,
      ...TYPES[type],
      commitments: z.record(z.string(), digest).optional(),
    }),
  ]),
);

export function isKeyUse(entry: { readonly type: EntryType }): boolean {
  return KEY_USE.has(entry.type);
}

/**
 * Checks an entry that a caller wants to record.
 * @throws LedgerError LEDGER_ENTRY_REFUSED naming every wrong field
 */
export function assertEntryInput(input: EntryInput): void {
  const schema = inputSchemas.get(input.type);
  const result = schema?.safeParse(input);
  if (result?.success === true) return;
  const wrong = result?.error.issues.map((issue) => issue.path.join('.') || issue.code) ?? ['type'];
  throw new LedgerError('LEDGER_ENTRY_REFUSED', { fields: { type: input.type, wrong } });
}

/**
 * RFC 8785 bytes of a leaf.
 * @throws LedgerError LEDGER_ENTRY_TOO_LARGE above 65,535 bytes
 */
export function encodeEntry(entry: Entry): Uint8Array {
  const bytes = toCanonicalJsonBytes(entry as unknown as Json);
  if (bytes.length > LEDGER_LIMITS.entryBytesMax) {
    throw new LedgerError('LEDGER_ENTRY_TOO_LARGE', {
      fields: { type: entry.type, bytes: bytes.length, bytesMax: LEDGER_LIMITS.entryBytesMax },
    });
  }
  return bytes;
}

/**
 * Reads a stored leaf: canonical, of a known type, with the index that it stands at.
 * @throws LedgerError LEDGER_ENTRY_MALFORMED
 */
export function decodeEntry(bytes: Uint8Array, index: number): Entry {
  const entry = findJson(bytes);
  const type = typeof entry === 'object' && entry !== null ? (entry as { type?: unknown }).type : undefined;
  const result = leafSchemas.get(String(type))?.safeParse(entry);
  if (result?.success !== true || (result.data as Entry).seq !== index) {
    throw new LedgerError('LEDGER_ENTRY_MALFORMED', { fields: { index } });
  }
  return result.data as Entry;
}

/** The value of canonical JSON; undefined when the bytes are anything else, such as the same value spelled otherwise. */
function findJson(bytes: Uint8Array): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const value = JSON.parse(text) as Json;
    return toCanonicalJson(value) === text ? value : undefined;
  } catch {
    return undefined;
  }
}
