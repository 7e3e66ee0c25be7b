/** The few calls that configfs-tsm is driven by; a test puts a folder that behaves like the kernel in their place. */
import { mkdirSync, openSync, closeSync, readSync, rmdirSync, writeSync } from 'node:fs';
import { ATTEST_LIMITS } from '../../core/limits/attest.ts';

export interface TsmFiles {
  makeFolder(path: string): void;
  removeFolder(path: string): void;
  /** Whole content, at most 64 KiB. */
  read(path: string): Uint8Array;
  /** In one call: the kernel takes each write as a request of its own. */
  write(path: string, bytes: Uint8Array): void;
}

export const nodeTsmFiles: TsmFiles = {
  makeFolder: (path) => {
    mkdirSync(path, { mode: 0o700 });
  },
  removeFolder: (path) => {
    rmdirSync(path);
  },
  read: (path) => {
    const file = openSync(path, 'r');
    try {
      // Attributes of configfs have no size to be asked for: they are read until they end.
      const bytes = Buffer.alloc(ATTEST_LIMITS.tsmBlobBytesMax);
      let length = 0;
      for (let count = -1; count !== 0 && length < bytes.length; length += count) {
        count = readSync(file, bytes, length, bytes.length - length, null);
      }
      return new Uint8Array(bytes.subarray(0, length));
    } finally {
      closeSync(file);
    }
  },
  write: (path, bytes) => {
    const file = openSync(path, 'w');
    try {
      writeSync(file, bytes, 0, bytes.length);
    } finally {
      closeSync(file);
    }
  },
};
