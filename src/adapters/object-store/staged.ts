/** An object that is written: bytes are gathered into parts, which the asking thread sends while more are made. */
import { SourceError } from '../../core/errors.ts';
import { OBJECT_LIMITS } from '../../core/limits/objects.ts';
import type { StagedObject } from '../../source/ports.ts';
import type { AskingThread } from './thread.ts';

const MIB = 1024 * 1024;

export interface StageOptions {
  readonly handle: number;
  /** Base name of the object, for errors. */
  readonly label: string;
  /** About how many bytes will come. */
  readonly sizeBytes: number;
}

/** @throws SourceError OBJECT_TOO_LARGE */
export function toPartBytes(sizeBytes: number, label: string): number {
  const { objectBytesMax, partsMax, partBytesMin } = OBJECT_LIMITS;
  if (sizeBytes > objectBytesMax) {
    throw new SourceError('OBJECT_TOO_LARGE', { fields: { file: label, sizeBytes, max: objectBytesMax } });
  }
  return Math.max(partBytesMin, Math.ceil(sizeBytes / partsMax / MIB) * MIB);
}

/** Memory is four parts, whatever the object's size. */
export function stageParts(thread: AskingThread, { handle, label, sizeBytes }: StageOptions): StagedObject {
  const partBytes = toPartBytes(sizeBytes, label);
  const flying: number[] = [];
  const free: Uint8Array<ArrayBuffer>[] = [];
  let part = new Uint8Array(partBytes);
  let filled = 0;
  let sent = 0;
  let state: 'open' | 'ended' = 'open';

  const land = (): void => {
    free.push(thread.wait(flying.shift()!) as Uint8Array<ArrayBuffer>);
  };
  const send = (): void => {
    if (flying.length >= OBJECT_LIMITS.partsInFlight) land();
    flying.push(thread.send({ kind: 'part', handle, number: ++sent, bytes: part }, [part]));
    part = free.pop() ?? new Uint8Array(partBytes);
    filled = 0;
  };
  return {
    write(chunk) {
      if (state === 'ended') throw new TypeError('the staged object is committed or aborted');
      for (let at = 0; at < chunk.length; ) {
        // Not before more comes: the last part is sent when the object is committed.
        if (filled === partBytes) send();
        const count = Math.min(chunk.length - at, partBytes - filled);
        part.set(chunk.subarray(at, at + count), filled);
        filled += count;
        at += count;
      }
    },
    commit() {
      if (state === 'ended') throw new TypeError('the staged object is committed or aborted');
      while (flying.length > 0) land();
      const bytes = part.slice(0, filled);
      thread.wait(thread.send({ kind: 'complete', handle, number: sent + 1, bytes }, [bytes]));
      state = 'ended';
    },
    abort() {
      if (state === 'ended') return;
      state = 'ended';
      for (const id of flying) thread.forget(id);
      try {
        thread.wait(thread.send({ kind: 'abort', handle }), OBJECT_LIMITS.abortMs);
      } catch (error) {
        // The error that led here counts; what stays is parts without a name, which the store's own rules take away.
        if (!(error instanceof SourceError)) throw error;
      }
    },
  };
}
