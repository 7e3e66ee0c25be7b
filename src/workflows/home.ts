/** Where an owner's identity, keys, claims, envelopes and ledger lie, and how they are made once and kept private. */
import { join } from 'node:path';
import type { Storage } from '../source/ports.ts';

/** Absolute paths below `$MODELWARD_HOME`. */
export interface Home {
  readonly root: string;
  readonly ownerFolder: string;
  readonly ownerPublicPath: string;
  readonly ownerSecretsPath: string;
  readonly ownerBackupPath: string;
  readonly keysFolder: string;
  readonly claimsFolder: string;
  readonly annexesFolder: string;
  readonly envelopesFolder: string;
  readonly ledgerFolder: string;
}

const FOLDER_MODE = 0o700;

export function toHome(root: string): Home {
  const ownerFolder = join(root, 'owner');
  return {
    root,
    ownerFolder,
    ownerPublicPath: join(ownerFolder, 'owner.json'),
    ownerSecretsPath: join(ownerFolder, 'owner.key'),
    ownerBackupPath: join(ownerFolder, 'owner.backup.json'),
    keysFolder: join(root, 'keys'),
    claimsFolder: join(root, 'claims'),
    annexesFolder: join(root, 'annexes'),
    envelopesFolder: join(root, 'envelopes'),
    ledgerFolder: join(root, 'ledger'),
  };
}

/** Makes the folders that are missing, readable by the user alone. @throws SourceError WRITE_FAILED */
export function prepareHome(storage: Storage, home: Home): void {
  const folders = [
    home.root,
    home.ownerFolder,
    home.keysFolder,
    home.claimsFolder,
    home.annexesFolder,
    home.envelopesFolder,
    home.ledgerFolder,
  ];
  for (const folder of folders) if (!storage.exists(folder)) storage.makeFolder(folder, FOLDER_MODE);
}
