/** Writes what `protect` makes: marked model, claim, baseline and signature, sealed file, records and reports, in that order. */
import { join } from 'node:path';
import { toHex, utf8 } from '../../core/bytes.ts';
import { openModelPath } from '../../formats/index.ts';
import type { Model } from '../../model/types.ts';
import { type ProtectReport, toReportHtml } from '../../report/index.ts';
import { ownerSigner } from '../../sign/index.ts';
import type { StagedFolder } from '../../source/index.ts';
import { toModelDigest } from '../../watermark/index.ts';
import { type SealedRecord, sealInto } from '../seal-model.ts';
import { rememberSealPlace } from '../seal-places.ts';
import { signBaseline } from '../signed-baseline.ts';
import { claimMark, type MarkedDigest } from './claim-step.ts';
import type { FileRecord, Protected } from './options.ts';
import type { Protection } from './protection.ts';
import { toEntries } from './entries.ts';
import { registerRecipient } from './register-step.ts';
import { toProtectReport } from './report-record.ts';
import { toResult } from './result.ts';
import { writeMarked, writeStaged } from './staged-files.ts';
import type { Outputs } from './written.ts';
import { openPlannedModel } from './virtual-model.ts';

/** Fills and commits `staged`. @throws whatever a step throws; the caller aborts the folder */
export async function writeOutputs(protection: Protection, staged: StagedFolder): Promise<Protected> {
  const { options, timer } = protection;
  const written = options.sealOnly ? [] : timer.time('write', () => writeMarked(protection, staged));
  const model = options.sealOnly
    ? openPlannedModel(protection.plan, protection.names.marked)
    : openModelPath(join(staged.path, protection.names.marked[0]));
  try {
    const outputs = await writeRest(protection, staged, model, written);
    const report = toProtectReport(protection, outputs);
    const reports = writeReports(protection, staged, report);
    staged.commit();
    return { result: toResult(protection, outputs, reports), report };
  } finally {
    model.close();
  }
}

async function writeRest(
  protection: Protection,
  staged: StagedFolder,
  model: Model,
  written: readonly FileRecord[],
): Promise<Outputs> {
  const { timer, services, session, options, names } = protection;
  const digest: MarkedDigest = timer.time('digests', () => toModelDigest(model, services.progress));
  const recorder = session.recorder;
  const claim = await timer.timeAsync('commitment', () => claimMark(protection, staged, model, digest));
  const signed = await timer.timeAsync('baseline', () => writeBaseline(protection, staged, model, { written, digest }));
  const seal = await timer.timeAsync('seal', () => writeSeal(protection, staged, model));
  const markedDigest = toHex(digest.digest);
  const entries = toEntries(protection, { claim, signed, seal, markedDigest: digest.digest });
  const receipt = await timer.timeAsync('ledger', () => recorder.record(entries));
  const recipient =
    claim === null
      ? null
      : await timer.timeAsync('ledger', () => registerRecipient(protection, claim.claim, digest.digest));
  return {
    recipient,
    marked: written.length === 0 ? null : written[0],
    markedPaths: written.map(({ path }) => path),
    markedDigest,
    claim,
    ...signed,
    seal,
    sealed: { path: join(options.out, names.sealed), sha256: seal.sha256, sizeBytes: seal.sizeBytes },
    leafIndex: receipt.firstIndex + entries.findIndex(({ type }) => type === 'commit'),
    checkpoint: receipt.checkpoint,
    ledgerSize: recorder.reader().head.size,
    origin: recorder.origin,
  };
}

async function writeBaseline(
  protection: Protection,
  staged: StagedFolder,
  model: Model,
  known: { readonly written: readonly FileRecord[]; readonly digest: MarkedDigest },
): Promise<Pick<Outputs, 'baseline' | 'signature'>> {
  const { services, session, names } = protection;
  const { written, digest } = known;
  const { envelope, signature } = await signBaseline({
    model,
    fileSha256: model.files.map((_, index) => (index < written.length ? written[index].sha256 : undefined)),
    originalDigest: () => toHex(digest.digest),
    signer: ownerSigner(session.owner),
    progress: services.progress,
  });
  return {
    baseline: writeStaged(protection, staged, { name: names.baseline, bytes: envelope }),
    signature: writeStaged(protection, staged, { name: names.signature, bytes: signature }),
  };
}

async function writeSeal(protection: Protection, staged: StagedFolder, model: Model): Promise<SealedRecord> {
  const { services, options, names, keys } = protection;
  if (keys === null) throw new Error('internal error: sealing without a key');
  const file = staged.file(names.sealed, 0o644);
  const { files, format } = model;
  const record = await sealInto(services, { files, modelName: names.stem, format, keys, sink: file });
  file.close();
  rememberSealPlace(services, record.seal.header.sealId, join(options.out, names.sealed));
  return record;
}

function writeReports(
  protection: Protection,
  staged: StagedFolder,
  report: ProtectReport,
): { owner: FileRecord; public: FileRecord } {
  const write = (name: string, audience: 'owner' | 'public'): FileRecord =>
    writeStaged(protection, staged, { name, bytes: utf8(toReportHtml(report, { audience })) });
  return {
    owner: write(protection.names.report, 'owner'),
    public: write(protection.names.publicReport, 'public'),
  };
}
