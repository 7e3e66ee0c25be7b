/** The whole plaintext of a sealed file in memory, for a runtime, with the means to wipe it. */
import { zeroize } from '../core/bytes.ts';
import type { RuntimeModel } from '../model/runtime.ts';
import type { ByteSource } from '../source/ports.ts';
import { openSeal } from './open.ts';

export interface Plaintext {
  readonly model: RuntimeModel;
  /** Overwrites every byte. Call it in `finally`, as soon as the runtime has its copy. */
  wipe(): void;
}

/**
 * Decrypts every file into a buffer of its own and closes `source`. The caller wipes `dek`.
 * @throws SealError as `openSeal`; no plaintext is left in memory then
 */
export function readPlaintext(options: { readonly source: ByteSource; readonly dek: Uint8Array }): Plaintext {
  const files: { path: string; data: Uint8Array }[] = [];
  const wipe = (): void => {
    zeroize(...files.map(({ data }) => data));
  };
  try {
    const opened = openSeal(options);
    try {
      for (const { name, size } of opened.header.files) {
        const data = new Uint8Array(size);
        files.push({ path: name, data });
        opened.folder.open(name).read(0, data);
      }
    } finally {
      opened.close();
    }
  } catch (error) {
    wipe();
    options.source.close();
    throw error;
  }
  const [main, ...external] = files;
  return { model: { main: main.data, external }, wipe };
}
