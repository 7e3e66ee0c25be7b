/** Handshakes that were under way when the rules for clients changed: who comes in by one was judged by those that hold no more. */
import type { Socket } from 'node:net';
import type { Server } from 'node:tls';
import type { FrontCore } from './core.ts';

/**
 * Puts them out at their end; clients that are let in still begin anew.
 * @param toRules - names the rules that hold now
 */
export function refuseLateHandshakes(core: FrontCore, server: Server, toRules: () => string): void {
  /** By the ends of the connection: Node does not tell whose socket one of TLS lies over. */
  const begun = new Map<string, string>();
  server.on('connection', (socket: Socket) => {
    const ends = toEnds(socket);
    begun.set(ends, toRules());
    socket.once('close', () => begun.delete(ends));
  });
  server.on('secureConnection', (socket) => {
    const ends = toEnds(socket);
    const rules = begun.get(ends);
    begun.delete(ends);
    if (rules === toRules()) return;
    core.counts.handshakesFailed++;
    socket.destroy();
  });
}

function toEnds({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
