/** Where an owner's identity, keys, claims, envelopes and ledger lie, and how they are made once and kept private. */
import { homedir } from 'node:os';
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
  /** One file for each seal: where it was written. */
  readonly placesFolder: string;
  readonly ledgerFolder: string;
  /** Of a witness for the ledgers of others; made by "witness init" alone. */
  readonly witnessFolder: string;
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
    placesFolder: join(root, 'places'),
    ledgerFolder: join(root, 'ledger'),
    witnessFolder: join(root, 'witness'),
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
    home.placesFolder,
    home.ledgerFolder,
  ];
  for (const folder of folders) if (!storage.exists(folder)) storage.makeFolder(folder, FOLDER_MODE);
}

/** `$MODELWARD_HOME`, else the user's state folder as the platform has it. */
export function toDefaultHome(env: Readonly<Record<string, string | undefined>>, platform: string): string {
  if (env.MODELWARD_HOME !== undefined && env.MODELWARD_HOME !== '') return env.MODELWARD_HOME;
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? homedir(), 'modelward');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'modelward');
  return join(env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state'), 'modelward');
}
