/** Addresses that showed no credential to one worker are known to all of them (docs/spec/api-keys.md section 8). */
import { z } from 'zod';
import { RATE_LIMITS } from '../../core/limits/api-keys.ts';
import type { AddressLimiter } from './addresses.ts';
import { isOfProtocol } from './line-questions.ts';
import type { MessageLine } from './ports.ts';

const PROTOCOL = 'modelward-addresses-1';

const news = z.strictObject({
  modelward: z.literal(PROTOCOL),
  blame: z.array(z.string().min(1).max(64)).min(1).max(RATE_LIMITS.lineMessageMax),
});

/** The end of the first process: hands what one worker tells to the others. */
export function createAddressRelay(): { join(line: MessageLine): void } {
  const lines = new Set<MessageLine>();
  return {
    join: (line) => {
      lines.add(line);
      line.onEnd(() => lines.delete(line));
      line.onMessage((message) => {
        if (!isOfProtocol(message, PROTOCOL) || !news.safeParse(message).success) return;
        for (const other of lines) if (other !== line) other.send(message);
      });
    },
  };
}

/** The end of a worker: looks are answered at once by what this worker knows. */
export function createLineAddresses(line: MessageLine, own: AddressLimiter): AddressLimiter {
  let queue: string[] = [];
  const flush = (): void => {
    const blame = queue;
    queue = [];
    line.send({ modelward: PROTOCOL, blame });
  };
  line.onMessage((message) => {
    if (!isOfProtocol(message, PROTOCOL)) return;
    const told = news.safeParse(message);
    if (told.success) for (const address of told.data.blame) own.blame(address);
  });
  return {
    look: (address) => own.look(address),
    blame: (address) => {
      own.blame(address);
      if (queue.push(address) === 1) queueMicrotask(flush);
    },
  };
}
