/** Connections above the share of their peer are closed before the handshake. */
import type { Socket } from 'node:net';
import { createPeerShares } from '../../core/peer-shares.ts';

/**
 * Listener for `connection`.
 *
 * @param connectionsMax - connections at a time, of all peers
 */
export function limitPeers(
  connectionsMax: number,
): (socket: Pick<Socket, 'remoteAddress' | 'destroy' | 'once'>) => void {
  const shares = createPeerShares(connectionsMax);
  return (socket) => {
    const leave = shares.enter(socket.remoteAddress ?? '');
    if (leave === null) socket.destroy();
    else socket.once('close', leave);
  };
}
