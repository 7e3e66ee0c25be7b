/** Sessions: a challenge, answered at most once, and what the answer proved. Kept in memory, bounded, for five minutes. */
import type { AttestationClaims } from '../attest/index.ts';
import { toAddressKey, toNetworkKey } from '../core/address-key.ts';
import { toBase64, toHex, utf8 } from '../core/bytes.ts';
import { BrokerError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { BROKER_LIMITS } from '../core/limits/broker.ts';
import type { Clock, Random } from '../core/ports.ts';
import type { Tee } from './messages.ts';
import type { TeeKey } from './tee-key.ts';

export interface Attested {
  readonly teeKey: TeeKey;
  readonly claims: AttestationClaims;
  /** What the evidence was bound to: 48 bytes. */
  readonly reportData: Uint8Array;
}

export interface BrokerSession {
  /** Secret: whoever has it is the session. */
  readonly id: string;
  /** SHA-256 of `id`, hex: names the session in tokens and entries. */
  readonly name: string;
  readonly tee: Tee;
  /** 32 bytes in base64. */
  readonly nonce: string;
  /** Who opened it, as addresses and their networks are counted. */
  readonly peer: string;
  readonly network: string;
  readonly expiresAtMs: number;
  isAnswered: boolean;
  attested: Attested | null;
}

export interface SessionTable {
  /** @throws BrokerError BROKER_BUSY when the table, or the share of this address or its network, is full */
  open(tee: Tee, address: string): BrokerSession;
  /** @throws BrokerError BROKER_SESSION_UNKNOWN when it ended or never was */
  find(id: string): BrokerSession;
  /** As `find`, by the name that tokens carry. */
  findByName(name: string): BrokerSession;
}

/** After a restart every session is unknown, which refuses and never admits. */
export function createSessionTable({
  clock,
  random,
}: {
  readonly clock: Clock;
  readonly random: Random;
}): SessionTable {
  // All live equally long, so rows stand in the order of their end. Looked up by digest: comparing takes no secret.
  const rows = new Map<string, BrokerSession>();
  const perPeer = createTally();
  const perNetwork = createTally();
  const forget = (nowMs: number): void => {
    for (const [name, { expiresAtMs, peer, network }] of rows) {
      if (expiresAtMs > nowMs) break;
      rows.delete(name);
      perPeer.take(peer);
      perNetwork.take(network);
    }
  };
  const findByName = (name: string): BrokerSession => {
    const nowMs = clock.nowMs();
    forget(nowMs);
    const session = rows.get(name);
    // A clock that was set back leaves rows that are over behind one that is not.
    if (session === undefined || session.expiresAtMs <= nowMs) throw new BrokerError('BROKER_SESSION_UNKNOWN');
    return session;
  };
  return {
    open: (tee, address) => {
      const nowMs = clock.nowMs();
      forget(nowMs);
      const [peer, network] = [toAddressKey(address), toNetworkKey(address)];
      const isFull =
        rows.size >= BROKER_LIMITS.sessionsMax ||
        perPeer.count(peer) >= BROKER_LIMITS.sessionsPerAddressMax ||
        perNetwork.count(network) >= BROKER_LIMITS.sessionsPerNetworkMax;
      if (isFull) throw new BrokerError('BROKER_BUSY', { fields: { at: 'sessions' } });
      const id = toHex(draw(random, 32));
      const session: BrokerSession = {
        ...{ id, name: toSessionName(id), tee, nonce: toBase64(draw(random, 32)), peer, network },
        ...{ expiresAtMs: nowMs + BROKER_LIMITS.sessionLifeMs, isAnswered: false, attested: null },
      };
      rows.set(session.name, session);
      perPeer.add(peer);
      perNetwork.add(network);
      return session;
    },
    find: (id) => findByName(toSessionName(id)),
    findByName,
  };
}

/** How many of each; who has none takes no memory. */
function createTally() {
  const counts = new Map<string, number>();
  const count = (name: string): number => counts.get(name) ?? 0;
  return {
    count,
    add: (name: string): void => void counts.set(name, count(name) + 1),
    take: (name: string): void => {
      const left = count(name) - 1;
      if (left <= 0) counts.delete(name);
      else counts.set(name, left);
    },
  };
}

function toSessionName(id: string): string {
  return toHex(sha256(utf8(id)));
}

function draw(random: Random, bytes: number): Uint8Array {
  const into = new Uint8Array(bytes);
  random.fill(into);
  return into;
}
