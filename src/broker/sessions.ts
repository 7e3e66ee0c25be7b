/** Sessions: a challenge, answered at most once, and what the answer proved. Kept in memory, bounded, for five minutes. */
import type { AttestationClaims } from '../attest/index.ts';
import { toAddressKey } from '../core/address-key.ts';
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
  /** Who opened it, as addresses are counted. */
  readonly peer: string;
  readonly expiresAtMs: number;
  isAnswered: boolean;
  attested: Attested | null;
}

export interface SessionTable {
  /** @throws BrokerError BROKER_BUSY when the table, or the share of this address, is full */
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
  const perPeer = new Map<string, number>();
  const forget = (nowMs: number): void => {
    for (const [name, { expiresAtMs, peer }] of rows) {
      if (expiresAtMs > nowMs) break;
      rows.delete(name);
      const left = (perPeer.get(peer) ?? 1) - 1;
      if (left === 0) perPeer.delete(peer);
      else perPeer.set(peer, left);
    }
  };
  const findByName = (name: string): BrokerSession => {
    forget(clock.nowMs());
    const session = rows.get(name);
    if (session === undefined) throw new BrokerError('BROKER_SESSION_UNKNOWN');
    return session;
  };
  return {
    open: (tee, address) => {
      const nowMs = clock.nowMs();
      forget(nowMs);
      const peer = toAddressKey(address);
      const ofPeer = perPeer.get(peer) ?? 0;
      if (rows.size >= BROKER_LIMITS.sessionsMax || ofPeer >= BROKER_LIMITS.sessionsPerAddressMax) {
        throw new BrokerError('BROKER_BUSY', { fields: { at: 'sessions' } });
      }
      const id = toHex(draw(random, 32));
      const session: BrokerSession = {
        ...{ id, name: toSessionName(id), tee, nonce: toBase64(draw(random, 32)), peer },
        ...{ expiresAtMs: nowMs + BROKER_LIMITS.sessionLifeMs, isAnswered: false, attested: null },
      };
      rows.set(session.name, session);
      perPeer.set(peer, ofPeer + 1);
      return session;
    },
    find: (id) => findByName(toSessionName(id)),
    findByName,
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
