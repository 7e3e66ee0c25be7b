/** A folder of a test's own for files that only their owner may read. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SecretFiles {
  readonly folder: string;
  /** Path of a new file with this text. */
  readonly write: (text: string, mode?: number) => string;
  remove(): void;
}

export function makeSecretFiles(): SecretFiles {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-secrets-'));
  let count = 0;
  return {
    folder,
    write: (text, mode = 0o600) => {
      const path = join(folder, `file-${++count}`);
      writeFileSync(path, text, { mode });
      return path;
    },
    remove: () => {
      rmSync(folder, { recursive: true });
    },
  };
}
