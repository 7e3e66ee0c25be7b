/** Everything of a protection that comes before the first byte is written: reading, embedding, measuring. */
import { join } from 'node:path';
import { toHex, zeroize } from '../../core/bytes.ts';
import { type FidelityOutcome, type LabelledData, measureFidelity, readRuntimeModel } from '../../fidelity/index.ts';
import { toTopology } from '../../align/index.ts';
import { ModelwardError } from '../../core/errors.ts';
import { openModelPath } from '../../formats/index.ts';
import type { Model } from '../../model/types.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import { assertAbsent } from '../../source/index.ts';
import { deriveSeeds, toModelDigest } from '../../watermark/index.ts';
import { fillSeed } from '../claims.ts';
import { toSourceSha256 } from '../digests.ts';
import type { OpenedKeys, Services } from '../services.ts';
import type { Session } from '../session.ts';
import { assertNoInput } from '../write-bytes.ts';
import { calibrateOriginal } from './calibrate-step.ts';
import { openEvalData } from './eval-data.ts';
import { type MarkStepResult, markWithinLimit } from './mark-step.ts';
import { checkOrder, chooseRecipient, createReleaser } from './recipient-step.ts';
import { type OutputNames, toOutputNames } from './names.ts';
import type { FileRecord, ProtectOptions } from './options.ts';
import type { Protection } from './protection.ts';
import { createStepTimer, type StepTimer } from './timer.ts';

/** Length of S. */
export const SEED_BYTES = 32;

/**
 * Opens, reads, embeds and measures; refuses everything that can be refused before the first byte is written. The caller
 * closes `original` and wipes `seed`, which is filled here.
 */
export async function prepare(
  services: Services,
  session: Session,
  given: { options: ProtectOptions; seed: Uint8Array; withKeys: boolean },
): Promise<Protection> {
  const { options } = given;
  const original = openModelPath(options.path, { dataRoot: options.dataRoot });
  try {
    return await prepareOpened(services, session, { ...given, original });
  } catch (error) {
    original.close();
    throw error;
  }
}

async function prepareOpened(
  services: Services,
  session: Session,
  given: { options: ProtectOptions; original: Model; seed: Uint8Array; withKeys: boolean },
): Promise<Protection> {
  const { options, original, seed } = given;
  const timer = createStepTimer(services.clock);
  const names = toOutputNames(options.path, original);
  assertNoInput([options.out], [options.path, options.evalPath, options.tsaRootsPath]);
  if (!options.force) assertAbsent(services.storage, options.out);
  const keys = given.withKeys ? await openApartKeys(services, session, options, names) : null;
  const originalFile = timer.time('digests', () => toOriginalFile(services, options, original));
  const originalDigest = timer.time('digests', () => toModelDigest(original, services.progress).digest);
  const marked = await markOrNot(services, session, { ...given, originalDigest, timer, names });
  return {
    services,
    session,
    options,
    names,
    timer,
    keys,
    original,
    originalFile,
    originalDigest,
    seed,
    marked,
    plan: marked?.plan ?? original.plan([]),
    fidelity: marked?.fidelity ?? NOT_MARKED,
  };
}

function openApartKeys(
  services: Services,
  session: Session,
  options: ProtectOptions,
  names: OutputNames,
): Promise<OpenedKeys> {
  const { writer, actor } = session.recorder;
  const apartFrom = join(options.out, names.sealed);
  return services.openKeys({ uri: options.keyUri, create: true, apartFrom, ledger: writer, actor });
}

const NOT_MARKED: FidelityOutcome = {
  kind: 'unmeasured',
  fidelity: null,
  reason: 'no mark was embedded, so the model was not changed',
  code: 'FIDELITY_UNMEASURED',
};

function toOriginalFile(services: Services, { path }: ProtectOptions, original: Model): FileRecord {
  const { source } = original.files[0];
  return { path, sha256: toSourceSha256(source, services.progress), sizeBytes: source.size };
}

async function markOrNot(
  services: Services,
  session: Session,
  given: {
    options: ProtectOptions;
    original: Model;
    seed: Uint8Array;
    originalDigest: Uint8Array;
    timer: StepTimer;
    names: OutputNames;
  },
): Promise<MarkStepResult | null> {
  const { options, original, seed, originalDigest, timer } = given;
  if (options.noMark) return null;
  fillSeed(services, { owner: session.owner, originalDigestHex: toHex(originalDigest), into: seed });
  const { own, recipient: recipientSeed, ...others } = deriveSeeds(seed);
  zeroize(...Object.values(others));
  const data = openEvalData(services, options);
  const choice = options.recipient && chooseRecipient(services, session, { ...options.recipient, originalDigest });
  try {
    const topology = toTopology(original);
    const calibration = await timer.timeAsync('calibration', () =>
      calibrateOriginal(services, { model: original, topology, data }),
    );
    const naming = { recipientSeed, originalDigest, calibration, names: given.names.marked };
    const marked = await timer.timeAsync('mark and fidelity', () =>
      markWithinLimit(services, {
        model: original,
        topology,
        calibration,
        ownSeed: own,
        ownerId: session.owner.identity.ownerId,
        originalDigest,
        tau: options.tau,
        unmeasured: options.unmeasured,
        release: choice === undefined ? null : createReleaser(services, { choice, ...naming }),
        measure: (plan) => measure(services, { options, original, plan, data }),
      }),
    );
    const { release } = marked;
    const unchecked =
      release === null ? null : await timer.timeAsync('order', () => checkOrder(services, release, data));
    return { ...marked, orderUnchecked: unchecked };
  } finally {
    zeroize(own, recipientSeed);
    data?.close();
  }
}

/** Cannot run is a result, not an error: it is the caller's choice to go on without a measurement. */
async function measure(
  services: Services,
  given: { options: ProtectOptions; original: Model; plan: RewritePlan; data: LabelledData | null },
): Promise<FidelityOutcome> {
  const { original, plan, data, options } = given;
  try {
    const runtime = await services.openRuntime();
    return await measureFidelity({
      runtime,
      original: readRuntimeModel(original),
      marked: readRuntimeModel(original, plan),
      graph: original.graph,
      data,
      limitPoints: options.limitPoints,
      progress: services.progress,
    });
  } catch (error) {
    const isReason =
      error instanceof ModelwardError && error.code.startsWith('RUNTIME_') && error.fields.model !== 'marked';
    if (!isReason) throw error;
    return { kind: 'unmeasured', fidelity: null, reason: error.message, code: error.code };
  }
}
