/** The vectors of docs/spec/ledger.md are what the code makes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createRecordingStorage } from '../../test/crash/recording-storage.ts';
import { LEDGER_FOLDER, openTestLedger } from '../../test/fakes/ledger-kit.ts';
import { toHex, utf8 } from '../core/bytes.ts';
import { hashLeaf } from '../core/merkle.ts';
import {
  commitField,
  cosign,
  createCosigner,
  createEd25519Signer,
  encodeAddCheckpoint,
  encodeCosignerKey,
  encodeVerifierKey,
  ENTRY_TYPES,
  type EntryInput,
  parseNote,
} from './index.ts';
import { encodeSignature } from './note.ts';

const read = (name: string): string => readFileSync(join(import.meta.dirname, '../../docs/spec', name), 'utf8');
const spec = read('ledger.md');

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

test('every vector of the specification of witnesses is reproduced, over the checkpoint of the other', () => {
  const seed = Uint8Array.from({ length: 32 }, (_, i) => 0x20 + i);
  const cosigner = createCosigner({ name: 'witness.example/w1', seed });
  const [, checkpoint = ''] = /\n\n(example\.test\/ledger\n[^]*?\n)```/.exec(spec) ?? [];
  const body = Buffer.from(encodeAddCheckpoint({ oldSize: 0, proof: [], checkpoint })).toString('utf8');
  const line = encodeSignature(cosign(parseNote(utf8(checkpoint)).text, 1_767_225_600, cosigner));
  const witnesses = read('witness.md');
  for (const vector of [toHex(seed), encodeCosignerKey(cosigner), body, line]) expect(witnesses).toContain(vector);
});

test('every entry type has its row in the specification', () => {
  for (const type of ENTRY_TYPES) expect(spec).toContain(`| \`${type}\` |`);
});
