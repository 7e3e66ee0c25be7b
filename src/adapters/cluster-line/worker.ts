/** A worker: its line to the first process. When that is gone, Node ends the worker at once. */
import cluster from 'node:cluster';
import type { MessageLine } from '../../gateway/ports.ts';
import { createLine } from './line.ts';

/** @throws TypeError in a process that no other one started */
export function openPrimaryLine(): MessageLine {
  const { worker } = cluster;
  if (worker === undefined) throw new TypeError('internal error: not a worker of a cluster');
  const { line, deliver, end } = createLine({
    isOpen: () => worker.isConnected(),
    send: (message, done) => {
      worker.send(message as object, done);
    },
  });
  process.on('message', deliver);
  process.on('disconnect', end);
  return line;
}
