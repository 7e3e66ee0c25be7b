/** What works beside the thread that answers lets it go first. */
import { readlinkSync } from 'node:fs';
import { constants, getPriority, setPriority } from 'node:os';

/** Ten steps of Linux: a tenth of the time of one that does not give way, where both want the same core, and all of it else. */
const STEPS = 10;

/**
 * Lets other threads of this machine go before the one that calls this, and before those that it starts; for good. Linux alone has a
 * priority of each thread: elsewhere, and where /proc is hidden, nothing changes.
 */
export function giveWay(): void {
  if (process.platform !== 'linux') return;
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    setPriority(thread, Math.min(constants.priority.PRIORITY_LOW, getPriority(thread) + STEPS));
  } catch {
    // A thread that is not told its place works as before.
  }
}
