/** Compares a model as it was found with its signed baseline, and records what came out. */
import { extname, join } from 'node:path';
import { toHex } from '../core/bytes.ts';
import { FormatError, ModelwardError, WorkflowError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import type { Progress } from '../core/ports.ts';
import type { Model } from '../model/types.ts';
import { decodeSignerKey } from '../sign/index.ts';
import { isObjectAddress, parseObjectAddress, toObjectText, toSibling } from '../source/object-address.ts';
import { type Suspect, verifyBaseline, type VerifyReport } from '../tamper/verify.ts';
import { toOriginalDigest } from '../watermark/digest.ts';
import { openLocation, readLocation, toLocationFolder, toLocationName } from './locations.ts';
import { openAnyModel, type OpenAnyOptions } from './open-model.ts';
import type { Services } from './services.ts';
import type { Session } from './session.ts';

export interface VerifyModelOptions extends OpenAnyOptions {
  /** Absolute path of the baseline; a single STEM.baseline.json beside the model is taken without it. */
  readonly baselinePath?: string | undefined;
  /** Absolute path of the original, plain or sealed: then every changed element and bit is listed. */
  readonly referencePath?: string | undefined;
  /** Absolute path of what the signer handed out: public key (SPKI PEM), identity file, or the output of `keys show`; the owner of this home without it. */
  readonly signerPath?: string | undefined;
}

export interface VerifyModelReport extends VerifyReport {
  readonly baseline: string;
  readonly leafIndex: number | null;
  readonly notRecorded: string | null;
}

/**
 * @throws WorkflowError BASELINE_NOT_FOUND; SignError when the signature does not hold; TamperError;
 *   SourceError; SealError
 */
export async function verifyModel(
  services: Services,
  session: Session,
  options: VerifyModelOptions,
): Promise<VerifyModelReport> {
  const baselinePath = findBaselinePath(services, options);
  const envelope = await readLocation(services, baselinePath);
  const publicKeyPem = readSigner(services, session, options.signerPath);
  const suspect = await openSuspect(services, session, options);
  let reference: Model | undefined;
  try {
    reference = await openReference(services, session, options);
    const { progress } = services;
    const base = { suspect, envelope, publicKeyPem, progress };
    const report = verifyBaseline(reference === undefined ? base : { ...base, reference });
    const recorded = await recordVerification(services, session, {
      suspect,
      envelope,
      report,
      name: toLocationName(options.path),
    });
    return { ...report, baseline: baselinePath, ...recorded };
  } finally {
    reference?.close();
    closeSuspect(suspect);
  }
}

function findBaselinePath({ storage }: Services, { path, baselinePath }: VerifyModelOptions): string {
  if (baselinePath !== undefined) return baselinePath;
  const name = toLocationName(path);
  const own = `${name.slice(0, name.length - extname(name).length).replace(/\.marked$/, '')}.baseline.json`;
  if (isObjectAddress(path)) return toObjectText(toSibling(parseObjectAddress(path), own));
  const beside = join(toLocationFolder(path), own);
  if (storage.exists(beside)) return beside;
  throw new WorkflowError('BASELINE_NOT_FOUND', { fields: { looked: beside } });
}

function readSigner({ storage }: Services, session: Session, signerPath: string | undefined): string {
  if (signerPath === undefined) return session.owner.identity.signKey;
  return decodeSignerKey(storage.read(signerPath));
}

/** A plain file that no longer reads as a model, or lacks a file of its data, is still compared, byte by byte. */
async function openSuspect(services: Services, session: Session, options: VerifyModelOptions): Promise<Suspect> {
  try {
    return { kind: 'model', model: (await openAnyModel(services, () => session.recorder, options)).model };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const source = await openLocation(services, options.path);
    return { kind: 'files', files: [{ name: toLocationName(options.path), source }], refusal: error.code };
  }
}

function closeSuspect(suspect: Suspect): void {
  if (suspect.kind === 'model') suspect.model.close();
  else for (const { source } of suspect.files) source.close();
}

async function openReference(
  services: Services,
  session: Session,
  options: VerifyModelOptions,
): Promise<Model | undefined> {
  const { referencePath, dataRoot } = options;
  if (referencePath === undefined) return undefined;
  const base = { path: referencePath };
  const opened = await openAnyModel(
    services,
    () => session.recorder,
    dataRoot === undefined ? base : { ...base, dataRoot },
  );
  return opened.model;
}

async function recordVerification(
  { progress }: Services,
  session: Session,
  done: { suspect: Suspect; envelope: Uint8Array; report: VerifyReport; name: string },
): Promise<Pick<VerifyModelReport, 'leafIndex' | 'notRecorded'>> {
  const { suspect, envelope, report, name } = done;
  try {
    const recorder = session.recorder;
    const model = suspect.kind === 'model' ? findOriginalDigest(suspect.model, report, progress) : '0'.repeat(64);
    const verdict = toEntryVerdict(report);
    const receipt = await recorder.record([
      {
        type: 'verify',
        actor: recorder.actor,
        subject: name,
        digests: { model, baseline: toHex(sha256(envelope)) },
        detail: { verdict, changes: report.changesTotal },
      },
    ]);
    return { leafIndex: receipt.firstIndex, notRecorded: null };
  } catch (error) {
    // Comparing must work where the ledger cannot be written; the report says so.
    if (error instanceof ModelwardError) return { leafIndex: null, notRecorded: error.code };
    throw error;
  }
}

/** Tensors that are proven the same have the digest that the baseline names; else they are read once more. */
export function findOriginalDigest(model: Model, report: VerifyReport, progress: Progress): string {
  return report.originalDigest ?? toHex(toOriginalDigest(model, progress));
}

function toEntryVerdict({ verdict, complete }: VerifyReport): 'unchanged' | 'changed' | 'inconclusive' {
  if (verdict === 'moved') return 'unchanged';
  if (verdict === 're-encoded') return complete ? 'unchanged' : 'inconclusive';
  return verdict;
}
