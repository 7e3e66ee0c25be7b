/** One end of the channel between two processes, as several protocols use it. */
import type { MessageLine } from '../../gateway/ports.ts';

/** What `process` and a worker have in common. */
export interface Channel {
  isOpen(): boolean;
  /** Calls back with an error, or null, once the message was handed to the system. */
  send(message: unknown, done: (error: Error | null) => void): void;
}

export interface OpenLine {
  readonly line: MessageLine;
  readonly deliver: (message: unknown) => void;
  /** Tells those that listen, once. */
  readonly end: () => void;
}

/** Messages are values that JSON has. */
export function createLine(channel: Channel): OpenLine {
  const listeners: ((message: unknown) => void)[] = [];
  const enders: (() => void)[] = [];
  let isEnded = false;
  return {
    line: {
      send: (message) => {
        if (isEnded || !channel.isOpen()) return false;
        // The other end may be gone by now: its end is told by the channel, and this failure says no more.
        channel.send(message, () => undefined);
        return true;
      },
      onMessage: (listen) => {
        listeners.push(listen);
      },
      onEnd: (listen) => {
        if (isEnded) listen();
        else enders.push(listen);
      },
    },
    deliver: (message) => {
      for (const listen of listeners) listen(message);
    },
    end: () => {
      if (isEnded) return;
      isEnded = true;
      for (const ender of enders) ender();
    },
  };
}
