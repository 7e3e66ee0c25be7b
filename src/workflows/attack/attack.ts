/** Attacks a marked model in every way that fits it, and reads the mark in what is left. Nothing is recorded: the copies are made here. */
import { basename } from 'node:path';
import { toHex, utf8, zeroize } from '../../core/bytes.ts';
import { LabError, ModelwardError } from '../../core/errors.ts';
import { readRuntimeModel } from '../../fidelity/index.ts';
import { listTrials, type Tools, type Trial } from '../../lab/index.ts';
import type { Model } from '../../model/types.ts';
import { type AttackRecord, type AttackRow, toAttackForm, toAttackHtml } from '../../report/index.ts';
import { ownerSeedBox } from '../../sign/index.ts';
import { holdsFile } from '../../source/plain-file.ts';
import { openOwnSeed } from '../../watermark/claim.ts';
import { detectMark, type DetectResult, FLAG_BITS } from '../../watermark/detect.ts';
import { toOriginalDigest } from '../../watermark/digest.ts';
import type { Reference } from '../../watermark/reference.ts';
import { readClaim, type StoredClaim } from '../claims.ts';
import { openAnyModel, openPlainModel } from '../open-model.ts';
import { openOriginals } from '../originals.ts';
import { openPlannedModel } from '../protect/virtual-model.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { assertNoInput, writeOutput } from '../write-bytes.ts';
import { type Meter, openMeter } from './accuracy.ts';
import type { AttackOptions } from './options.ts';
import { type AttackStore, openAttackStore } from './store.ts';
import { type OpenedTrainer, openTrainer } from './trainer.ts';

export interface AttackReport extends AttackRecord {
  /** Attacks that were found finished in the folder of --resume. */
  readonly resumed: number;
}

/** What every trial of a run works with. */
interface Bench {
  readonly services: Services;
  readonly options: AttackOptions;
  readonly model: Model;
  readonly stored: StoredClaim;
  readonly ownSeed: Uint8Array;
  readonly reference: (() => Reference | undefined) | undefined;
  readonly tuned: Model | null;
  readonly meter: Meter;
}

/**
 * @throws LabError LAB_ATTACK_UNKNOWN | LAB_STRENGTH_UNFIT | LAB_TRAIN_IS_EVAL | LAB_CLAIM_NOT_IN_MODEL
 * @throws WatermarkError WATERMARK_CLAIM_MALFORMED | WATERMARK_SEED_MISMATCH; SignError for a claim of another owner;
 *   AlignError ALIGN_REFERENCE_REFUSED; FormatError | SourceError; RuntimeError DATA_… for the data
 */
export async function attackModel(services: Services, session: Session, options: AttackOptions): Promise<AttackReport> {
  const trials = listTrials({ only: options.only, strengths: options.strengths });
  assertPaths(options);
  const stored = readClaim(services, options.claimPath);
  const ownSeed = openOwnSeed(stored.claim, ownerSeedBox({ secrets: session.owner.secrets, random: services.random }));
  const originals = openOriginals(services, { claims: [stored], originalPath: options.originalPath });
  const closers: { close(): void }[] = [originals];
  try {
    const { model } = await openAnyModel(services, () => session.recorder, options);
    closers.push(model);
    const tuned = options.tunedPath === undefined ? null : openPlainModel(options.tunedPath, options.dataRoot);
    if (tuned !== null) closers.push(tuned);
    const reference = originals.offer(stored);
    assertMarked(
      detectMark({ suspect: model, claim: stored.claim, ownSeed, ...(reference && { original: reference }) }),
    );
    const meter = await openMeter(services, model, { path: options.evalPath, labelColumn: options.labelColumn });
    closers.push(meter);
    const bench: Bench = { services, options, model, stored, ownSeed, reference, tuned, meter };
    const report = await runTrials(bench, trials);
    writeReports(services, options, report);
    return report;
  } finally {
    zeroize(ownSeed);
    for (const one of closers.reverse()) one.close();
  }
}

function assertPaths(options: AttackOptions): void {
  const inputs = [
    options.path,
    options.claimPath,
    options.originalPath,
    options.tunedPath,
    options.evalPath,
    options.trainPath,
  ];
  assertNoInput([options.htmlPath, options.reportPath], inputs);
  const { evalPath, trainPath } = options;
  const isShared = evalPath !== undefined && trainPath !== undefined;
  if (isShared && (evalPath === trainPath || holdsFile(trainPath, evalPath) || holdsFile(evalPath, trainPath))) {
    throw new LabError('LAB_TRAIN_IS_EVAL', { fields: { data: basename(evalPath) } });
  }
}

function assertMarked({ evidenceBits, verdict, reason }: DetectResult): void {
  if (evidenceBits >= FLAG_BITS) return;
  throw new LabError('LAB_CLAIM_NOT_IN_MODEL', { fields: { verdict, evidenceBits: Math.round(evidenceBits), reason } });
}

async function runTrials(bench: Bench, trials: readonly Trial[]): Promise<AttackReport> {
  const { services, options, stored, model, meter } = bench;
  const store = openAttackStore(services, options.resumePath ?? null, toBasis(bench));
  const rows: AttackRow[] = [];
  let resumed = 0;
  const lab = createTools(bench);
  services.progress.step('attacks', trials.length, 'items');
  for (const trial of trials) {
    const found = store.find(trial.attack.id, trial.strength);
    resumed += Number(found !== undefined);
    rows.push(found ?? (await runAndKeep(bench, lab, store, trial)));
    services.progress.advance(1);
  }
  services.progress.done();
  const { preimage, digest } = stored.claim.commitment;
  return {
    model: basename(model.files[0].name),
    claim: { commitment: digest, ownerId: preimage.ownerId },
    ...{ toolVersion: services.toolVersion, seed: options.seed, evaluation: meter.facts, rows, resumed },
    training: lab.training(),
    original: await readOriginal(bench),
  };
}

/** Everything beside attack and strength that a result depends on; data by its path, as a training set may be large. */
function toBasis({ model, stored, options, services, tuned }: Bench): Readonly<Record<string, string | number | null>> {
  return {
    model: toHex(toOriginalDigest(model)),
    claim: stored.claim.commitment.digest,
    version: services.toolVersion,
    ...{
      seed: options.seed,
      rate: options.learningRate,
      tuned: tuned === null ? null : toHex(toOriginalDigest(tuned)),
    },
    ...{ eval: options.evalPath ?? null, train: options.trainPath ?? null, transfer: options.transferPath ?? null },
    original: options.originalPath ?? null,
  };
}

interface Lab {
  toTools(trainer: OpenedTrainer | ModelwardError): Tools;
  /** The trainer, made when the first attack needs it; the reason, when there is none. */
  openTrainer(): Promise<OpenedTrainer | ModelwardError>;
  training(): AttackRecord['training'];
}

function createTools({ services, options, model, reference, tuned }: Bench): Lab {
  let opened: Promise<OpenedTrainer | ModelwardError> | undefined;
  let training: AttackRecord['training'] = null;
  const open = async (): Promise<OpenedTrainer | ModelwardError> => {
    try {
      const trainer = await openTrainer(services, model, options);
      training = { samples: trainer.samples, learningRate: options.learningRate };
      return trainer;
    } catch (error) {
      if (error instanceof ModelwardError) return error;
      throw error;
    }
  };
  return {
    openTrainer: () => (opened ??= open()),
    training: () => training,
    toTools: (trainer) => ({
      seed: options.seed,
      original: reference?.()?.model ?? null,
      tuned,
      trainer: () => {
        if (trainer instanceof ModelwardError) throw trainer;
        return trainer.trainer;
      },
      optimize: async (from, level) => (await services.openOptimizer()).optimize(readRuntimeModel(from), level),
    }),
  };
}

/** Attacks for which the graph is read into the trainer. */
const needsTrainer = ({ attack: { id, group } }: Trial, tuned: Model | null): boolean =>
  group === 'training' || (id === 'merge' && tuned === null);

async function runAndKeep(bench: Bench, lab: Lab, store: AttackStore, trial: Trial): Promise<AttackRow> {
  const head = toHead(trial);
  try {
    const trainer = needsTrainer(trial, bench.tuned)
      ? await lab.openTrainer()
      : new LabError('LAB_ATTACK_UNFIT', { fields: { reason: 'it does not train' } });
    const row = { ...head, ...(await runTrial(bench, lab.toTools(trainer), trial)) };
    store.keep(row);
    return row;
  } catch (error) {
    if (!(error instanceof ModelwardError) || !isReason(error)) throw error;
    const { reason, node, op } = error.fields;
    const where = typeof node === 'string' ? `${String(op)} ${node}: ` : '';
    const words = typeof reason === 'string' ? reason : error.message.replace(/\.$/, '');
    return { ...head, state: 'not run', code: error.code, reason: `${where}${words}` };
  }
}

function toHead({
  attack,
  strength,
}: Trial): Pick<AttackRow, 'attack' | 'group' | 'title' | 'strength' | 'unit' | 'isLossExpected'> {
  const { id, group, title, unit, isLossExpected = false } = attack;
  return { attack: id, group, title, strength, unit, isLossExpected };
}

/** Refusals that concern one attack alone; a full disk or a broken file ends the run. */
function isReason({ code }: ModelwardError): boolean {
  return /^(?:LAB|RUNTIME|SURGERY|WATERMARK|FORMAT|DATA)_/.test(code);
}

type Head = ReturnType<typeof toHead>;
type Ran = Omit<Extract<AttackRow, { state: 'run' }>, keyof Head>;

async function runTrial(bench: Bench, tools: Tools, { attack, strength }: Trial): Promise<Ran> {
  const { services, model, stored, ownSeed, reference, meter } = bench;
  const now = (): number => services.clock.nowMs();
  const begun = now();
  const { plan, name } = await attack.run(model, strength, tools);
  const suspect = openPlannedModel(plan, [name, ...plan.files.slice(1).map((file) => file.name)]);
  try {
    const attacked = now();
    const result = detectMark({ suspect, claim: stored.claim, ownSeed, ...(reference && { original: reference }) });
    const detected = now();
    const accuracy = await meter.measure(suspect);
    // The whole-message reading that shows most: by name, or aligned to the original.
    const hard = result.schemes.filter(({ name: scheme }) => scheme.endsWith('/hard'));
    const best = hard.reduce((a, b) => (b.evidenceBits > a.evidenceBits ? b : a));
    return {
      ...{ state: 'run', verdict: result.verdict, evidenceBits: result.evidenceBits, accuracy },
      ...{ bits: best.bits, bitErrors: best.bitErrors },
      ...{ attackSeconds: (attacked - begun) / 1000, detectSeconds: (detected - attacked) / 1000 },
    };
  } finally {
    suspect.close();
  }
}

/** The unmarked original is a suspect like any other, and must read "none". */
async function readOriginal({ reference, stored, ownSeed, meter }: Bench): Promise<AttackRecord['original']> {
  const original = reference?.();
  if (original === undefined) return null;
  const { model } = original;
  const { verdict, evidenceBits } = detectMark({
    suspect: model,
    claim: stored.claim,
    ownSeed,
    original: () => original,
  });
  return { verdict, evidenceBits, accuracy: await meter.measure(model) };
}

function writeReports(services: Services, options: AttackOptions, report: AttackReport): void {
  if (options.htmlPath !== undefined) writeOutput(services, options.htmlPath, utf8(toAttackHtml(report)));
  if (options.reportPath !== undefined) writeOutput(services, options.reportPath, utf8(toAttackForm(report)));
}
