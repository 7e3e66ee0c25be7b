/**
 * The key broker: challenge, attestation, release. It hands out keys only as JWE to a key that evidence was bound to, only
 * to machines that the policy of the resource accepts, and only after the release is on record.
 */
import { type AttestationClaims, type Refusal, validateClaims } from '../attest/index.ts';
import { isEqualConstantTime, toHex, utf8, zeroize } from '../core/bytes.ts';
import { BrokerError, ModelwardError } from '../core/errors.ts';
import { ATTEST_LIMITS } from '../core/limits/attest.ts';
import type { Clock, Random } from '../core/ports.ts';
import { encryptJwe, type FlattenedJwe } from './jwe.ts';
import { readAttestRequest, readAuthRequest } from './messages.ts';
import type { BrokerPolicy, BrokerResource } from './policy.ts';
import type { BrokerLog, EvidenceVerifier, KeyStore } from './ports.ts';
import { digestRuntimeData } from './runtime-data.ts';
import { type Attested, type BrokerSession, createSessionTable, type SessionTable } from './sessions.ts';
import { readTeeKey } from './tee-key.ts';
import { createTokenMint, type TokenMint } from './tokens.ts';

export interface BrokerOptions {
  readonly policy: BrokerPolicy;
  readonly verifier: EvidenceVerifier;
  readonly keys: KeyStore;
  readonly log: BrokerLog;
  readonly clock: Clock;
  readonly random: Random;
}

/** Who asks: by cookie, by token, or by both of one session. */
export interface Credentials {
  readonly sessionId: string | null;
  readonly token: string | null;
}

export interface Broker {
  /** Opens a session. @throws BrokerError */
  auth(body: Uint8Array, address: string): Promise<{ readonly sessionId: string; readonly nonce: string }>;
  /** Takes the one answer of a session, and returns its token. @throws BrokerError | AttestError */
  attest(sessionId: string | null, body: Uint8Array): Promise<string>;
  /** The key of a resource, encrypted to the attested key. @throws BrokerError */
  release(who: Credentials, resource: string): Promise<FlattenedJwe>;
  /** Puts a refusal on record that was made before any of these. */
  refuse(code: string): Promise<void>;
}

/** What is known about a request when it ends in a refusal. */
interface Trail {
  session?: BrokerSession;
  attested?: Attested;
  resource?: BrokerResource;
  asked?: string;
  reasons?: readonly Refusal[];
}

export function createBroker(options: BrokerOptions): Broker {
  const sessions = createSessionTable(options);
  const mint = createTokenMint(options);
  return {
    auth: (body, address) =>
      withRecord(options, () => {
        const { tee } = readAuthRequest(body);
        const { id, nonce } = sessions.open(tee, address);
        return { sessionId: id, nonce };
      }),
    attest: (sessionId, body) =>
      withRecord(options, (trail) => {
        const session = findByCookie(sessions, sessionId);
        trail.session = session;
        const attested = judgeAnswer(options, session, body);
        trail.attested = attested;
        assertSomePolicy(options, attested, trail);
        session.attested = attested;
        return mint.issue(session);
      }),
    release: (who, name) =>
      withRecord(options, async (trail) => {
        const session = findSession(sessions, mint, who);
        trail.session = session;
        trail.asked = name;
        if (session.attested === null) throw new BrokerError('BROKER_NOT_ATTESTED');
        trail.attested = session.attested;
        const resource = options.policy.resources.get(name);
        if (resource === undefined) throw new BrokerError('BROKER_RESOURCE_UNKNOWN');
        trail.resource = resource;
        trail.reasons = judge(options, session.attested, resource);
        if (trail.reasons.length > 0) throw new BrokerError('BROKER_POLICY_DENIED');
        return releaseKey(options, session, session.attested, resource);
      }),
    refuse: (code) => options.log.count({ code, policyDigestHex: options.policy.digestHex }),
  };
}

/** Every refusal is on record before the client hears of it; one that cannot be recorded is an outage. */
async function withRecord<T>(options: BrokerOptions, work: (trail: Trail) => T | Promise<T>): Promise<T> {
  const trail: Trail = {};
  try {
    return await work(trail);
  } catch (error) {
    const code = error instanceof ModelwardError ? error.code : 'UNKNOWN';
    const { session, attested } = trail;
    if (session !== undefined && attested !== undefined) {
      await recordDecision(options, { ...trail, session, attested }, code);
    } else {
      await options.log.count({ code, policyDigestHex: options.policy.digestHex });
    }
    throw error;
  }
}

function findByCookie(sessions: SessionTable, sessionId: string | null): BrokerSession {
  if (sessionId === null) throw new BrokerError('BROKER_SESSION_MISSING');
  return sessions.find(sessionId);
}

function findSession(sessions: SessionTable, mint: TokenMint, { sessionId, token }: Credentials): BrokerSession {
  if (token === null) return findByCookie(sessions, sessionId);
  const { sessionName, thumbprint } = mint.read(token);
  const session = sessions.findByName(sessionName);
  if (session.attested?.teeKey.thumbprint !== thumbprint) throw new BrokerError('BROKER_TOKEN_INVALID');
  if (sessionId !== null && sessions.find(sessionId) !== session) throw new BrokerError('BROKER_SESSION_MISMATCH');
  return session;
}

/** Takes the challenge off the session before anything is verified: a second answer never gets that far. */
function judgeAnswer(options: BrokerOptions, session: BrokerSession, body: Uint8Array): Attested {
  const { nonce, teeKey: jwk, primaryEvidence, additionalEvidence } = readAttestRequest(body);
  if (session.isAnswered) throw new BrokerError('BROKER_NONCE_REUSED');
  session.isAnswered = true;
  if (!isEqualConstantTime(utf8(nonce), utf8(session.nonce))) throw new BrokerError('BROKER_NONCE_MISMATCH');
  const teeKey = readTeeKey(jwk);
  const { tee } = session;
  const claims = options.verifier.verify({ primaryEvidence, tee, nowMs: options.clock.nowMs() });
  if (claims.kind !== tee) throw new BrokerError('BROKER_TEE_MISMATCH', { fields: { tee, found: claims.kind } });
  const reportData = digestRuntimeData({ nonce, teeKey: teeKey.jwk, additionalEvidence });
  if (!isBound(claims, reportData)) throw new BrokerError('BROKER_BINDING');
  return { teeKey, claims, reportData };
}

function isBound({ reportDataHex }: AttestationClaims, reportData: Uint8Array): boolean {
  const wanted = toHex(reportData).padEnd(ATTEST_LIMITS.reportDataBytes * 2, '0');
  return isEqualConstantTime(utf8(reportDataHex), utf8(wanted));
}

/** A machine that no policy accepts gets no token that says it was attested. */
function assertSomePolicy(options: BrokerOptions, attested: Attested, trail: Trail): void {
  const judged = [...options.policy.resources.values()].map((resource) => judge(options, attested, resource));
  if (judged.some((reasons) => reasons.length === 0)) return;
  trail.reasons = judged.flat();
  throw new BrokerError('BROKER_POLICY_DENIED');
}

/** Judged anew for every release: certificates and lists may have ended since. */
function judge(
  { clock }: BrokerOptions,
  { claims, reportData }: Attested,
  { policy }: BrokerResource,
): readonly Refusal[] {
  const nowMs = clock.nowMs();
  const { refusals } = validateClaims({ claims, policy, nowMs, reportData });
  const isOver = claims.validUntilMs <= nowMs;
  return isOver ? [...refusals, { code: 'ATTEST_POLICY_PAST', fields: { nowMs } }] : refusals;
}

async function releaseKey(
  options: BrokerOptions,
  session: BrokerSession,
  attested: Attested,
  resource: BrokerResource,
): Promise<FlattenedJwe> {
  const dek = await takeKey(options, resource);
  try {
    const jwe = encryptJwe(attested.teeKey, dek, options.random);
    await recordDecision(options, { session, attested, resource, asked: resource.name }, null);
    return jwe;
  } finally {
    zeroize(dek);
  }
}

async function takeKey({ keys }: BrokerOptions, { sealId }: BrokerResource): Promise<Uint8Array> {
  try {
    return await keys.takeKey(sealId);
  } catch (cause) {
    const code = cause instanceof ModelwardError ? cause.code : 'UNKNOWN';
    throw new BrokerError('BROKER_RELEASE_FAILED', { cause, fields: { at: code } });
  }
}

/** @throws BrokerError BROKER_RELEASE_FAILED when the record does not become durable */
async function recordDecision(
  { log, policy }: BrokerOptions,
  { session, attested, resource, asked, reasons = [] }: Trail & { session: BrokerSession; attested: Attested },
  code: string | null,
): Promise<void> {
  try {
    await log.record({
      ...{
        outcome: code === null ? 'released' : 'refused',
        code,
        reasons: [...new Set(reasons.map((one) => one.code))],
      },
      ...{ resource: resource?.name ?? asked ?? null, sealId: resource?.sealId ?? null },
      ...{ tee: session.tee, sessionName: session.name, keyThumbprint: attested.teeKey.thumbprint },
      evidenceDigestHex: attested.claims.evidenceDigestHex,
      policyDigestHex: policy.digestHex,
      attestationPolicyDigestHex: resource?.policy.digestHex ?? null,
    });
  } catch (cause) {
    throw new BrokerError('BROKER_RELEASE_FAILED', { cause, fields: { at: 'ledger' } });
  }
}
