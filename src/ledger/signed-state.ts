/** The last size and root that the ledger may sign, durable before every signature (docs/spec/ledger.md §7). */
import { concatBytes, isEqualConstantTime, u64be, utf8 } from '../core/bytes.ts';
import { LedgerError } from '../core/errors.ts';
import { toEmptyRoot } from '../core/merkle.ts';
import type { Storage, StorageFile } from '../source/ports.ts';
import type { TreeHead } from './checkpoint.ts';
import { findFile, replaceFile } from './durable-files.ts';
import { isSignatureValid, type VerifierKey } from './note-key.ts';
import type { NoteSigner } from './ports.ts';

/** A head with the number of heads stored before it. */
export interface SignedState extends TreeHead {
  readonly counter: number;
}

const MAGIC = utf8('MWLSTAT1');
const BODY_BYTES = 56;
const SLOT_BYTES = 120;
const LABEL = utf8('modelward ledger state v1\n');
const NEWLINE = utf8('\n');
/** Slots lie in different blocks: a write of one that is cut off cannot harm the other. */
const SLOT_STRIDE = 4096;

/**
 * The stored state; undefined when the file does not exist.
 * @throws LedgerError LEDGER_CORRUPT when no slot bears a valid signature of the key
 */
export function findSignedState(storage: Storage, path: string, key: VerifierKey): SignedState | undefined {
  const bytes = findFile(storage, path);
  if (bytes === undefined) return undefined;
  const slots = [decodeSlot(bytes, 0, key), decodeSlot(bytes, SLOT_STRIDE, key)].filter((slot) => slot !== undefined);
  const newest = slots.toSorted((a, b) => b.counter - a.counter).at(0);
  if (newest === undefined) throw new LedgerError('LEDGER_CORRUPT', { fields: { file: 'signed' } });
  return newest;
}

/** Makes the file, whole or not at all, holding the empty tree. */
export function createSignedState(options: {
  readonly storage: Storage;
  readonly path: string;
  readonly signer: NoteSigner;
}): void {
  const { storage, path, signer } = options;
  const bytes = new Uint8Array(SLOT_STRIDE + SLOT_BYTES);
  bytes.set(encodeSlot({ size: 0, root: toEmptyRoot(), counter: 0 }, signer));
  replaceFile({ storage, path, bytes, isNameDurable: true });
}

/** Overwrites the older slot and syncs it; the handle stays open between writes. */
export class SignedStateFile {
  readonly #file: StorageFile;
  readonly #signer: NoteSigner;
  #counter: number;

  constructor(options: {
    readonly storage: Storage;
    readonly path: string;
    readonly signer: NoteSigner;
    readonly counter: number;
  }) {
    this.#file = options.storage.openForUpdate(options.path);
    this.#signer = options.signer;
    this.#counter = options.counter;
  }

  get counter(): number {
    return this.#counter;
  }

  write(head: TreeHead): void {
    const counter = this.#counter + 1;
    this.#file.write((counter % 2) * SLOT_STRIDE, encodeSlot({ ...head, counter }, this.#signer));
    this.#file.sync();
    this.#counter = counter;
  }

  close(): void {
    this.#file.close();
  }
}

// The signature keeps whoever can write the folder from having a tail of theirs completed and signed at the next open.
function encodeSlot(state: SignedState, signer: NoteSigner): Uint8Array {
  const body = concatBytes(MAGIC, u64be(state.counter), u64be(state.size), state.root);
  return concatBytes(body, signer.sign(toSignedBytes(body, signer.name)));
}

function decodeSlot(bytes: Uint8Array, at: number, key: VerifierKey): SignedState | undefined {
  const slot = bytes.subarray(at, at + SLOT_BYTES);
  const body = slot.subarray(0, BODY_BYTES);
  if (slot.length !== SLOT_BYTES || !isEqualConstantTime(body.subarray(0, MAGIC.length), MAGIC)) return undefined;
  if (!isSignatureValid(key, toSignedBytes(body, key.name), slot.subarray(BODY_BYTES))) return undefined;
  const view = new DataView(body.buffer, body.byteOffset);
  const counter = Number(view.getBigUint64(8));
  const size = Number(view.getBigUint64(16));
  return { counter, size, root: body.slice(24) };
}

/** Never the text of a checkpoint: that has the key name as its first line, and a key name has no spaces. */
function toSignedBytes(body: Uint8Array, name: string): Uint8Array {
  return concatBytes(LABEL, utf8(name), NEWLINE, body);
}
