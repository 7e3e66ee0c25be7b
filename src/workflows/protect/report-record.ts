/** Fills the plain record that the report prints. */
import { basename } from 'node:path';
import { toHex } from '../../core/bytes.ts';
import type { FidelityOutcome } from '../../fidelity/index.ts';
import { encodeVerifierKey } from '../../ledger/index.ts';
import type {
  ProtectReport,
  ReportEvidence,
  ReportFidelity,
  ReportFile,
  ReportMark,
  ReportRecipient,
  ReportTsa,
} from '../../report/index.ts';
import type { DetectResult } from '../../watermark/index.ts';
import type { Attestation } from './attestation.ts';
import type { Outputs } from './written.ts';
import type { Protection } from './protection.ts';
import { toWarnings } from './warnings.ts';

export function toProtectReport(protection: Protection, outputs: Outputs): ProtectReport {
  const { services, session, original, options, originalDigest, keys, timer } = protection;
  const { claim } = outputs;
  return {
    v: 1,
    toolVersion: services.toolVersion,
    owner: session.owner.identity.ownerId,
    createdAt: new Date(services.clock.nowMs()).toISOString(),
    model: {
      name: basename(options.path),
      format: original.format,
      parameters: original.tensors.reduce((sum, tensor) => sum + tensor.elementCount, 0),
      tensors: original.tensors.length,
      opsets: Object.fromEntries(original.opsets),
      originalDigest: toHex(originalDigest),
    },
    files: toFiles(protection, outputs),
    mark: toReportMark(protection),
    evidence: claim === null ? null : toEvidence(claim.evidence),
    recipient: toReportRecipient(protection, outputs),
    fidelity: toReportFidelity(protection.fidelity),
    commitment:
      claim === null
        ? null
        : {
            hash: claim.claim.commitment.digest,
            leafIndex: outputs.leafIndex,
            checkpoint: outputs.checkpoint,
            timestamped: claim.attestation !== null,
            tsa: claim.attestation === null ? null : toReportTsa(claim.attestation),
          },
    key: keys === null ? null : { scheme: keys.scheme, note: keys.note },
    ledger: { origin: outputs.origin, size: outputs.ledgerSize, verifierKey: encodeVerifierKey(session.recorder.key) },
    warnings: toWarnings(protection, outputs),
    timings: timer.timings(),
    peakRssMib: services.peakRssMib(),
  };
}

function toReportTsa({ url, time, isTrusted }: Attestation): ReportTsa {
  return { url, time, isTrusted };
}

function toFiles({ originalFile, options, names }: Protection, outputs: Outputs): ReportFile[] {
  const { marked, markedPaths, sealed, seal, baseline, signature, claim } = outputs;
  const files: ReportFile[] = [{ role: 'original', ...originalFile, plaintext: true }];
  if (marked !== null) files.push({ role: 'marked', ...marked, plaintext: true });
  for (const path of markedPaths.slice(1)) {
    files.push({ role: 'marked', path, sha256: null, sizeBytes: null, plaintext: true });
  }
  files.push({ role: 'sealed', ...sealed, plaintext: false });
  files.push({
    role: 'envelope',
    path: seal.envelopePath,
    sha256: seal.envelopeSha256,
    sizeBytes: seal.envelopeSizeBytes,
    plaintext: false,
  });
  files.push({ role: 'baseline', ...baseline, plaintext: false });
  files.push({ role: 'signature', ...signature, plaintext: false });
  if (claim !== null) {
    files.push({ role: 'commitment', ...claim.commitmentFile, plaintext: false });
    files.push({ role: 'claim', ...claim.claimFile, plaintext: false });
    if (claim.attestation !== null) files.push({ role: 'timestamp', ...claim.attestation.file, plaintext: false });
  }
  const path = `${options.out}/${names.report}`;
  files.push({ role: 'report', path, sha256: null, sizeBytes: null, plaintext: false });
  return files;
}

function toReportMark({ marked }: Protection): ReportMark {
  if (marked === null) return { kind: 'none', reason: 'asked for with --no-mark' };
  const { scheme, bits, tau, weights, relativeDistortion, calibration, perLayer } = marked.mark.record;
  return {
    kind: 'embedded',
    scheme,
    bits,
    tau,
    weights,
    relativeDistortion,
    calibration,
    perLayer: perLayer.map((layer) => ({
      layer: layer.name,
      weights: layer.weights,
      relativeDistortion: layer.relativeDistortion,
    })),
  };
}

function toReportRecipient({ marked }: Protection, { recipient }: Outputs): ReportRecipient | null {
  const release = marked?.release ?? null;
  if (release === null || recipient === null) return null;
  const { choice, order, payload } = release;
  const { number, annex, leafIndex } = recipient;
  const channels = order?.spaces.reduce((sum, space) => sum + space.channels, 0) ?? null;
  return { number, id: choice.id, channels, hasPayload: payload !== null, annex, leafIndex };
}

/** The exact tails as read back: log2 p of a statistic is what it counts for, less the price of the trials. */
function toEvidence(result: DetectResult): ReportEvidence {
  const looksLog2 = Math.log2(result.trials);
  const find = (statistic: string) => result.schemes.find(({ name }) => name.endsWith(statistic));
  const hard = find('/hard');
  const soft = find('/soft');
  return {
    bits: hard?.bits ?? 0,
    bitErrors: hard?.bitErrors ?? 0,
    log2pHard: hard === undefined ? 0 : -(hard.evidenceBits + looksLog2),
    log2pSoft: soft === undefined ? null : -(soft.evidenceBits + looksLog2),
    trials: result.trials,
    evidenceBits: result.evidenceBits,
  };
}

function toReportFidelity(outcome: FidelityOutcome): ReportFidelity {
  if (outcome.kind === 'unmeasured') return { kind: 'unmeasured', reason: outcome.reason };
  const { lossPoints, limitPoints, resolvablePoints, relativeL2, perOutput, ...rest } = outcome.fidelity;
  return {
    kind: 'measured',
    samples: rest.samples,
    accuracyOriginal: rest.accuracyOriginal,
    accuracyMarked: rest.accuracyMarked,
    argmaxAgreement: rest.argmaxAgreement,
    relativeL2,
    runtime: rest.runtime,
    lossPoints:
      lossPoints === null
        ? null
        : {
            estimate: lossPoints.estimate,
            lower95: lossPoints.low,
            upper95: lossPoints.high,
            limit: limitPoints,
            smallestResolvable: resolvablePoints,
          },
    perOutput: perOutput.map(({ name, relativeL2: distance, argmaxAgreement }) => ({
      name,
      relativeL2: distance,
      argmaxAgreement,
    })),
  };
}
