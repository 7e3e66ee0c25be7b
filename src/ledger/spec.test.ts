/** The vectors of docs/spec/ledger.md are what the code makes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createRecordingStorage } from '../../test/crash/recording-storage.ts';
import { LEDGER_FOLDER, openTestLedger } from '../../test/fakes/ledger-kit.ts';
import { toHex } from '../core/bytes.ts';
import { hashLeaf } from '../core/merkle.ts';
import { commitField, createEd25519Signer, encodeVerifierKey, ENTRY_TYPES, type EntryInput } from './index.ts';

const spec = readFileSync(join(import.meta.dirname, '../../docs/spec/ledger.md'), 'utf8');

test('every vector of the specification is reproduced', async () => {
  const seed = Uint8Array.from({ length: 32 }, (_, i) => i);
  const signer = createEd25519Signer({ name: 'example.test/ledger', seed });
  const salt = Uint8Array.from({ length: 32 }, (_, i) => 0x20 + i);
  const storage = createRecordingStorage(['/home']);
  const random = {
    fill: (into: Uint8Array) => {
      into.set(salt);
    },
  };
  const ledger = await openTestLedger(storage, { signer, random });
  const sealed = { type: 'seal', actor: 'owner-1', subject: 'model-1', digests: { sealed: 'ab'.repeat(32) } } as const;
  const entries: EntryInput[] = [
    { ...sealed, detail: { sealId: 'seal-1' } },
    {
      type: 'open',
      actor: 'owner-1',
      subject: 'model-1',
      digests: {},
      detail: { sealId: 'seal-1' },
      sensitive: { customer: 'ACME' },
    },
  ];
  ledger.append(entries);
  const reader = ledger.reader();
  const state = storage.read(`${LEDGER_FOLDER}/signed`);
  ledger.close();
  const vectors = [
    toHex(seed),
    encodeVerifierKey(signer),
    ...[0, 1].map((index) => Buffer.from(reader.readBytes(index)).toString('utf8')),
    ...[0, 1].map((index) => toHex(hashLeaf(reader.readBytes(index)))),
    toHex(reader.head.root),
    reader.checkpoint,
    reader.proof(1),
    commitField({ field: 'customer', value: 'ACME', salt }),
    toHex(state.subarray(0, 120)).slice(0, 112),
    toHex(state.subarray(0, 120)).slice(112),
  ];
  for (const vector of vectors) expect(spec).toContain(vector.trimEnd());
});

test('every entry type has its row in the specification', () => {
  for (const type of ENTRY_TYPES) expect(spec).toContain(`| \`${type}\` |`);
});
