/** One peer gets a share of the connections: who holds his open keeps out himself, not the others. */
import { toAddressKey, toNetworkKey } from './address-key.ts';

/** Part of all connections that one peer, and all peers of one IPv6 network of 48 bits, may hold at a time. */
const SHARE = 1 / 4;
const NETWORK_SHARE = 1 / 2;

/** Connections at a time, by peer. */
export interface PeerShares {
  /** Null when the share of the peer or of its network is used up; else what is to be called when the connection has ended. */
  enter(address: string): (() => void) | null;
}

/**
 * Counts connections by peer (IPv6: one network of 64 bits) and by network (IPv6: of 48 bits).
 *
 * @param connectionsMax - connections at a time, of all peers
 */
export function createPeerShares(connectionsMax: number): PeerShares {
  const toMost = (share: number): number => Math.max(1, Math.floor(connectionsMax * share));
  const [most, mostOfNetwork] = [toMost(SHARE), toMost(NETWORK_SHARE)];
  const open = new Map<string, number>();
  const count = (name: string): number => open.get(name) ?? 0;
  return {
    enter(address) {
      const [peer, network] = [`peer ${toAddressKey(address)}`, `network ${toNetworkKey(address)}`];
      if (count(peer) >= most || count(network) >= mostOfNetwork) return null;
      for (const name of [peer, network]) open.set(name, count(name) + 1);
      return () => {
        for (const name of [peer, network]) {
          const left = count(name) - 1;
          if (left === 0) open.delete(name);
          else open.set(name, left);
        }
      };
    },
  };
}
