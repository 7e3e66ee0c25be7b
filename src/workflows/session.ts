/** One command's hold on the owner: identity, ledger and secrets, opened once and closed together. */
import { type Owner, zeroizeOwner } from '../sign/index.ts';
import { ensureOwner } from './owner.ts';
import { openRecorder, type Recorder } from './recorder.ts';
import type { Services } from './services.ts';

export interface Session {
  readonly owner: Owner;
  readonly recorder: Recorder;
  /** Wipes the owner's secrets. */
  close(): void;
}

/**
 * Opens the owner of this home, making one on first use.
 * @throws SignError | WorkflowError as `ensureOwner`
 */
export function openSession(services: Services, ownerId?: string): Session {
  const owner = ensureOwner(services, ownerId);
  const recorder = openRecorder(services, owner);
  return {
    owner,
    recorder,
    close: () => {
      recorder.close();
      zeroizeOwner(owner);
    },
  };
}
