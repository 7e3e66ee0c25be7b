/** Verifies a model against its signed baseline: what changed, where, and how far that is proven (docs/spec/baseline.md 6). */
import { TAMPER_LIMITS } from '../core/limits/tamper.ts';
import { type Progress, silentProgress } from '../core/ports.ts';
import type { Model, ModelFile, TensorRef } from '../model/types.ts';
import { verifyDsse } from '../sign/index.ts';
import { type Change, ChangeList, type Severity, type TensorTally, toChange } from './changes.ts';
import { assertReferenceSizes, compareBytes } from './compare-bytes.ts';
import {
  compareFormats,
  compareGraph,
  compareHeaders,
  compareMetadata,
  type GraphAnalysis,
} from './compare-meaning.ts';
import { compareTensors, type Renames, type TensorsByRoot, toTensorsByRoot } from './compare-tensors.ts';
import { createLeafBuffer } from './leaves.ts';
import type { Baseline } from './manifest.ts';
import { BASELINE_TYPES, decodeSignedBaseline } from './statement.ts';

/** What is verified: an opened model, or files that no longer open as one (with the code of the refusal). */
export type Suspect =
  | { readonly kind: 'model'; readonly model: Model }
  | { readonly kind: 'files'; readonly files: readonly ModelFile[]; readonly refusal: string };

export interface VerifyOptions {
  readonly suspect: Suspect;
  /** Bytes of the signed baseline. */
  readonly envelope: Uint8Array;
  /** The one signer that is believed, SPKI PEM. */
  readonly publicKeyPem: string;
  /** The original, plain or sealed: then every changed element and bit is listed. */
  readonly reference?: Model;
  /** Changes listed one by one; counts go on beyond. */
  readonly changesMax?: number;
  readonly progress?: Progress;
}

export interface VerifyReport {
  /**
   * unchanged: every stored byte is as it was. moved: other bytes, but the same tensors, graph and metadata. re-encoded:
   * another file format with the same tensors; `analysed` says whether it holds anything else (a graph, metadata), which
   * no baseline of another format can vouch for. changed: see `changes`. inconclusive: nothing was found, but not
   * everything could be compared.
   */
  readonly verdict: 'unchanged' | 'moved' | 're-encoded' | 'changed' | 'inconclusive';
  /**
   * True when every tensor of the baseline is there with its type, shape and content, whatever its name and place, and
   * no other; null when the file does not open as a model.
   */
  readonly sameTensors: boolean | null;
  /** True when nothing that the files hold was left uncompared. */
  readonly complete: boolean;
  /** Format-neutral digest of the tensors, hex, where it follows from the baseline without reading them again. */
  readonly originalDigest: string | null;
  readonly changes: readonly Change[];
  /** Number of changes, listed or not. */
  readonly changesTotal: number;
  readonly worst: Severity | null;
  /** Changed leaves per tensor; tensors without a changed leaf are left out. */
  readonly tensors: readonly TensorTally[];
  readonly leavesChanged: number;
  /** Proven ones only. */
  readonly elementsChanged: number;
  readonly bitsChanged: number;
  readonly analysed: {
    /** Every byte was compared with the baseline's leaves. */
    readonly bytes: boolean;
    readonly tensors: boolean;
    readonly graph: GraphAnalysis;
    readonly metadata: boolean;
  };
  /** Hex SHA-256 of the signer's SPKI. */
  readonly keyId: string;
}

interface Run {
  readonly baseline: Baseline;
  readonly reference: Model | null;
  readonly buffer: Uint8Array;
  readonly progress: Progress;
  readonly max: number;
  readonly list: ChangeList;
  readonly byRoot: TensorsByRoot;
  readonly originals: ReadonlyMap<string, TensorRef>;
}

type Analysed = VerifyReport['analysed'];

const UNCHANGED: Analysed = { bytes: true, tensors: true, graph: 'full', metadata: true };

/** True when every tensor lies where it lay, at most under a new name; a name that stood elsewhere was moved. */
function isSameLayout(baseline: Baseline, model: Model): boolean {
  const names = new Set(baseline.tensors.map(({ name }) => name));
  return (
    baseline.tensors.length === model.tensors.length &&
    baseline.tensors.every((before, index) => {
      const now = model.tensors[index];
      const isThere = before.fileIndex === now.fileIndex && before.start === now.start && before.end === now.end;
      return isThere && (before.name === now.name || !names.has(now.name));
    })
  );
}

function isSameSizes(baseline: Baseline, files: readonly ModelFile[]): boolean {
  return (
    baseline.files.length === files.length && baseline.files.every((file, at) => file.size === files[at].source.size)
  );
}

function runBytes(run: Run, files: readonly ModelFile[]) {
  const tensors = new ChangeList(run.max);
  const gaps = new ChangeList(run.max);
  const { typed } = compareBytes({ ...run, files, reference: run.reference?.files ?? null, tensors, gaps });
  return { tensors, gaps, typed };
}

/** Graph and metadata; in another file format what can be said of them. */
function runMeaning(run: Run, model: Model, renames: Renames): Pick<Analysed, 'graph' | 'metadata'> {
  if (run.baseline.format !== model.format) return compareFormats(run.baseline, model, run.list);
  const graph = compareGraph(run.baseline, model, renames, run.list);
  compareMetadata(run.baseline, model, run.list);
  return { graph, metadata: true };
}

/** The file no longer opens: the bytes tell where it was changed. */
function verifyFiles(run: Run, files: readonly ModelFile[], refusal: string): Analysed {
  const { list, baseline } = run;
  list.add(toChange({ kind: 'unreadable', severity: 'high', file: files.at(0)?.name ?? null, detail: refusal }));
  if (files.length !== baseline.files.length) {
    const detail = `${baseline.files.length} -> ${files.length} files`;
    list.add(toChange({ kind: 'files-changed', severity: 'high', detail }));
  }
  const { tensors, gaps, typed } = runBytes(run, files);
  for (const index of typed) {
    const detail = 'stored values cannot be decoded, so the element is unknown';
    tensors.add(toChange({ kind: 'weights-changed', severity: 'high', tensor: baseline.tensors[index].name, detail }));
  }
  list.addAll(tensors);
  list.addAll(gaps, 'high');
  return { bytes: files.length === baseline.files.length, tensors: typed.size === 0, graph: 'none', metadata: false };
}

/** Tensors whose stored bytes changed and are not the logical ones: by content, or else as another spelling of it. */
function compareTyped(run: Run, model: Model, typed: ReadonlySet<number>): void {
  for (const index of typed) {
    const before = run.list.total;
    compareTensors({ ...run, model, only: new Set([index]) });
    if (run.list.total > before) continue;
    const { name, fileIndex, start } = run.baseline.tensors[index];
    const place = { tensor: name, file: model.files[fileIndex].name, offset: start };
    run.list.add(
      toChange({ kind: 'moved', severity: 'info', ...place, detail: 'the same values, encoded differently' }),
    );
  }
}

/** Tensors lie where they lay: bytes first, then what the bytes between the tensors mean. */
function verifyInPlace(run: Run, model: Model): Analysed {
  const { tensors, gaps, typed } = runBytes(run, model.files);
  if (tensors.total + gaps.total + typed.size === 0) return UNCHANGED;
  run.list.addAll(tensors);
  compareTyped(run, model, typed);
  if (gaps.total === 0) return UNCHANGED;
  const meaning = new ChangeList(run.max);
  const inner = { ...run, list: meaning };
  const analysed = runMeaning(inner, model, compareHeaders(run.baseline, model, meaning));
  run.list.addAll(meaning);
  run.list.addAll(gaps, toGapSeverity(meaning, analysed.graph));
  return { bytes: true, tensors: true, ...analysed };
}

/** Bytes between tensors matter by what they do to the model; unknown parts are never called harmless. */
function toGapSeverity(meaning: ChangeList, graph: GraphAnalysis): Severity {
  if (meaning.worst === 'high' || meaning.worst === 'medium') return 'high';
  return graph === 'full' ? 'low' : 'medium';
}

/** Tensors lie elsewhere: by name and content. */
function verifyRearranged(run: Run, model: Model): Analysed {
  const renames = compareTensors({ ...run, model });
  return { bytes: false, tensors: true, ...runMeaning(run, model, renames) };
}

/** Sizes are the same but the layout is not: a byte between tensors that moves borders, or a reordered file. */
function verifyShifted(run: Run, model: Model): Analysed {
  const { tensors, gaps, typed } = runBytes(run, model.files);
  const isOnlyGaps = tensors.total + typed.size === 0;
  const analysed = verifyRearranged(run, model);
  if (isOnlyGaps) run.list.addAll(gaps, 'high');
  return { ...analysed, bytes: isOnlyGaps };
}

function verifyModel(run: Run, model: Model): Analysed {
  const { baseline, progress } = run;
  progress.step(
    'verify',
    model.files.reduce((sum, file) => sum + file.source.size, 0),
    'bytes',
  );
  if (baseline.files.length === model.files.length && isSameLayout(baseline, model)) return verifyInPlace(run, model);
  return isSameSizes(baseline, model.files) ? verifyShifted(run, model) : verifyRearranged(run, model);
}

function toVerdict(list: ChangeList, analysed: Analysed, isReEncoded: boolean): VerifyReport['verdict'] {
  if (list.worst !== null && list.worst !== 'info') return 'changed';
  if (analysed.bytes && list.total === 0) return 'unchanged';
  if (!analysed.tensors) return 'inconclusive';
  if (isReEncoded) return 're-encoded';
  return isComplete(analysed) ? 'moved' : 'inconclusive';
}

function isComplete({ tensors, graph, metadata }: Analysed): boolean {
  return tensors && (graph === 'full' || graph === 'absent') && metadata;
}

/**
 * Compares a model with its baseline. When nothing changed, every stored byte is read and hashed once.
 * @throws SignError SIGN_ENVELOPE_MALFORMED | SIGN_TYPE_MISMATCH | SIGN_OTHER_SIGNER | SIGN_SIGNATURE_INVALID |
 *   SIGN_KEY_INVALID; TamperError TAMPER_BASELINE_MALFORMED | TAMPER_REFERENCE_MISMATCH; FormatError | SourceError
 */
export function verifyBaseline(options: VerifyOptions): VerifyReport {
  const { payload, payloadType, keyId } = verifyDsse({ ...options, payloadType: BASELINE_TYPES });
  const baseline = decodeSignedBaseline(payload, payloadType);
  const reference = options.reference ?? null;
  if (reference !== null) assertReferenceSizes(baseline, reference.files);
  const max = options.changesMax ?? TAMPER_LIMITS.changesMax;
  const progress = options.progress ?? silentProgress;
  const run: Run = {
    baseline,
    reference,
    buffer: createLeafBuffer(),
    progress,
    max,
    list: new ChangeList(max),
    byRoot: toTensorsByRoot(baseline),
    originals: new Map(reference?.tensors.map((tensor) => [tensor.name, tensor])),
  };
  const { suspect } = options;
  const analysed =
    suspect.kind === 'model' ? verifyModel(run, suspect.model) : verifyFiles(run, suspect.files, suspect.refusal);
  progress.done();
  const { list } = run;
  const isReEncoded = suspect.kind === 'model' && suspect.model.format !== baseline.format;
  const sameTensors = suspect.kind === 'model' ? !list.hasTensorChange : null;
  return {
    verdict: toVerdict(list, analysed, isReEncoded),
    sameTensors,
    complete: isComplete(analysed),
    originalDigest: sameTensors === true ? baseline.originalDigest : null,
    changes: list.changes,
    changesTotal: list.total,
    worst: list.worst,
    tensors: list.tensors,
    leavesChanged: list.leavesChanged,
    elementsChanged: list.elementsChanged,
    bitsChanged: list.bitsChanged,
    analysed,
    keyId,
  };
}
