/** One peer gets a share of the connections: who holds his open keeps out himself, not the others. */
import type { Socket } from 'node:net';
import { toAddressKey } from '../../core/address-key.ts';

/** Part of all connections that one peer may hold at a time. */
const SHARE = 1 / 4;

/**
 * Listener for `connection`: closes a connection above the share of its peer, before the handshake.
 *
 * @param connectionsMax - connections at a time, of all peers
 */
export function limitPeers(connectionsMax: number): (socket: Socket) => void {
  const most = Math.max(1, Math.floor(connectionsMax * SHARE));
  const open = new Map<string, number>();
  return (socket) => {
    const peer = toAddressKey(socket.remoteAddress ?? '');
    const count = (open.get(peer) ?? 0) + 1;
    if (count > most) {
      socket.destroy();
      return;
    }
    open.set(peer, count);
    socket.once('close', () => {
      const left = (open.get(peer) ?? 1) - 1;
      if (left === 0) open.delete(peer);
      else open.set(peer, left);
    });
  };
}
