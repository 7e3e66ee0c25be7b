/** The record of a broker in the owner's ledger. */
import type { BrokerDecision, BrokerLog } from '../../broker/index.ts';
import type { EntryInput } from '../../ledger/ports.ts';
import type { Recorder } from '../recorder.ts';

export function createBrokerLog({ writer, actor }: Pick<Recorder, 'writer' | 'actor'>): BrokerLog {
  return {
    record: async (decision) => {
      await writer.append([toEntry(decision, actor)]);
    },
    count: ({ code, policyDigestHex }) =>
      writer.refuse({ actor, subject: `broker policy ${policyDigestHex}`, cause: code }),
  };
}

/** Entries take so many reasons; a policy of many resources may give more. */
const REASONS_MAX = 64;

function toEntry(decision: BrokerDecision, actor: string): EntryInput {
  const { code, reasons, sealId, attestationPolicyDigestHex } = decision;
  return {
    type: 'key-release',
    actor,
    subject: decision.resource ?? '?',
    digests: {
      policy: decision.policyDigestHex,
      evidence: decision.evidenceDigestHex,
      ...(attestationPolicyDigestHex === null ? {} : { attestationPolicy: attestationPolicyDigestHex }),
    },
    detail: {
      outcome: decision.outcome,
      ...(code === null ? {} : { code }),
      ...(reasons.length === 0 ? {} : { reasons: reasons.slice(0, REASONS_MAX) }),
      ...(sealId === null ? {} : { sealId }),
      tee: decision.tee,
      session: decision.sessionName,
      recipient: decision.keyThumbprint,
    },
  };
}
