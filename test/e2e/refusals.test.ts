/** Sealed files and envelopes that are not as they should be: a code, an entry in the ledger, and no key use. */
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createWorkplace, samples, type Workplace } from './command.ts';

let place: Workplace;
let sealed: Buffer;
let envelope: Record<string, unknown>;
let foreign: string;

const at = (name: string): string => join(place.folder, name);
const envelopes = (): string[] =>
  readdirSync(join(place.home, 'envelopes')).map((name) => join(place.home, 'envelopes', name));

beforeAll(() => {
  place = createWorkplace();
  copyFileSync(join(samples, 'mlp.onnx'), at('mlp.onnx'));
  place.json(['seal', 'mlp.onnx', '--out', 'sealed/m.seal']);
  const [own] = envelopes();
  sealed = readFileSync(at('sealed/m.seal'));
  envelope = JSON.parse(readFileSync(own, 'utf8')) as Record<string, unknown>;
  place.json(['seal', 'mlp.onnx', '--out', 'sealed/other.seal']);
  foreign = envelopes().find((path) => path !== own) ?? '';
});
afterAll(() => {
  place.remove();
});

interface Entry {
  readonly type: string;
  readonly detail: { readonly cause: string; readonly count: number };
}

/** Refusals by cause, waiting for their minute to end or recorded; and how often a key was asked for. */
function readLedger(): { readonly refusals: ReadonlyMap<string, number>; readonly keyUses: number } {
  const path = join(place.home, 'ledger/refusals.json');
  const { rows } = JSON.parse(readFileSync(path, 'utf8')) as { rows: Entry['detail'][] };
  const { entries } = place.json<{ entries: Entry[] }>(['ledger', 'show']);
  const recorded = entries.flatMap(({ type, detail }) => (type === 'refusal' ? [detail] : []));
  const refusals = new Map<string, number>();
  for (const { cause, count } of [...rows, ...recorded]) refusals.set(cause, (refusals.get(cause) ?? 0) + count);
  return { refusals, keyUses: entries.filter(({ type }) => type === 'key-use-intent').length };
}

interface Bad {
  readonly code: string;
  /** Makes the file that is opened, and gives further words. */
  readonly make: () => readonly string[];
  /** The key is asked for before the fault can be seen. */
  readonly usesKey?: boolean;
}

let made = 0;
const put = (bytes: Uint8Array): readonly string[] => {
  const name = `bad-${made++}.seal`;
  writeFileSync(at(name), bytes);
  return [name];
};
const putEnvelope = (text: string): readonly string[] => {
  const name = `bad-${made}.keys.json`;
  writeFileSync(at(name), text, { mode: 0o600 });
  return [...put(sealed), '--envelope', name];
};
const changed = (offset: number, value: number): Buffer => {
  const bytes = Buffer.from(sealed);
  bytes[offset < 0 ? bytes.length + offset : offset] = value;
  return bytes;
};

const BAD: Readonly<Record<string, Bad>> = {
  'cut off': { code: 'SEAL_SIZE_MISMATCH', make: () => put(sealed.subarray(0, sealed.length - 1)) },
  lengthened: { code: 'SEAL_SIZE_MISMATCH', make: () => put(Buffer.concat([sealed, Buffer.alloc(1)])) },
  'of a version to come': { code: 'SEAL_VERSION_UNKNOWN', make: () => put(changed(7, 0x39)) },
  'with a header that says it is 4 GiB': { code: 'SEAL_HEADER_INVALID', make: () => put(changed(8, 0xff)) },
  'with an altered header': { code: 'SEAL_HEADER_INVALID', make: () => put(changed(14, 0x7e)) },
  'altered in its last byte': {
    code: 'SEAL_AUTH_FAILED',
    make: () => put(changed(-1, (sealed.at(-1) ?? 0) ^ 1)),
    usesKey: true,
  },
  'with the envelope of another seal': {
    code: 'ENVELOPE_MISMATCH',
    make: () => putEnvelope(readFileSync(foreign, 'utf8')),
  },
  'with an envelope that is none': { code: 'ENVELOPE_INVALID', make: () => putEnvelope('{"v":1}') },
  'with an envelope of more than its bound': {
    code: 'ENVELOPE_INVALID',
    make: () => putEnvelope(`${' '.repeat(3e6)}{}`),
  },
  'with an altered envelope': {
    code: 'ENVELOPE_AUTH_FAILED',
    make: () => putEnvelope(JSON.stringify({ ...envelope, seq: 7 })),
    usesKey: true,
  },
  'with an envelope whose recipients have expired': {
    code: 'KEY_EXPIRED',
    make: () => {
      const recipients = envelope.recipients as Record<string, unknown>[];
      const over = recipients.map((each) => ({ ...each, expiresAt: '2020-01-01T00:00:00.000Z' }));
      return putEnvelope(JSON.stringify({ ...envelope, recipients: over }));
    },
  },
  'under a key that is not there': {
    code: 'KEY_STORE_MISSING',
    make: () => [...put(sealed), '--key', `local:${at('safe/none.json')}`],
  },
};

test('a code, an entry in the ledger, no plaintext, and no key use where the fault is seen before', () => {
  const cases = Object.entries(BAD);
  const lines = cases.map(([, { make }]) => ['open', ...make(), '--out', 'plain', '--json', '--quiet']);
  const runs = place.runAll(lines);
  const toCode = (stdout: string): string => (JSON.parse(stdout) as { error: { code: string } }).error.code;
  expect(runs.map(({ stdout }, index) => [cases[index][0], toCode(stdout)])).toEqual(
    cases.map(([name, { code }]) => [name, code]),
  );
  expect(runs.filter(({ status }) => status === 0)).toEqual([]);
  expect(readdirSync(place.folder)).not.toContain('plain');

  const expected = new Map<string, number>();
  for (const [, { code }] of cases) expected.set(code, (expected.get(code) ?? 0) + 1);
  const { refusals, keyUses } = readLedger();
  expect(refusals).toEqual(expected);
  // Those of sealing twice, and of the faults that only the key shows.
  expect(keyUses).toBe(2 + cases.filter(([, { usesKey }]) => usesKey === true).length);
});
