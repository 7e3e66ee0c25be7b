/** One command's hold on the owner: identity, ledger and seed box, opened when needed and closed together. */
import { type Owner, zeroizeOwner } from '../sign/index.ts';
import { ensureOwner } from './owner.ts';
import { openRecorder, type Recorder } from './recorder.ts';
import type { Services } from './services.ts';

export interface Session {
  readonly owner: Owner;
  /** The ledger, opened on the first call. */
  readonly recorder: () => Promise<Recorder>;
  /** In the form that `openAnyModel` and key providers ask for. */
  readonly recorded: () => Promise<{ writer: Recorder['writer']; actor: string }>;
  /** Wipes the owner's secrets and lets the next writer of the ledger in. */
  close(): void;
}

/**
 * Opens the owner of this home, making one on first use.
 * @throws SignError | WorkflowError as `ensureOwner`
 */
export function openSession(services: Services, ownerId?: string): Session {
  const owner = ensureOwner(services, ownerId);
  let opening: Promise<Recorder> | undefined;
  let opened: Recorder | undefined;
  const recorder = async (): Promise<Recorder> => {
    opening ??= openRecorder(services, owner);
    opened = await opening;
    return opened;
  };
  return {
    owner,
    recorder,
    recorded: async () => {
      const { writer, actor } = await recorder();
      return { writer, actor };
    },
    close: () => {
      opened?.close();
      zeroizeOwner(owner);
    },
  };
}
