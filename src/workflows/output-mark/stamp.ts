/** Puts a mark into the outputs of a copy of a model, keeps its mark file, and measures and reports what it changed. */
import { basename } from 'node:path';
import { utf8 } from '../../core/bytes.ts';
import { readArrays, readRuntimeModel } from '../../fidelity/index.ts';
import type { Model } from '../../model/types.ts';
import { type OutputMarkPage, toOutputMarkHtml } from '../../report/index.ts';
import { assertAbsent, openFileSource } from '../../source/index.ts';
import { type RewritePlan, toRewriteSize } from '../../source/rewrite.ts';
import {
  CHECKSUM_STATEMENT,
  editOutputMark,
  editOutputMarkRemoval,
  formatOutputMark,
  type OutputMark,
  OUTPUT_MARK_STATEMENT,
  parseOutputMark,
  toOutputMark,
  toShownPayload,
} from '../../watermark/index.ts';
import { openEvalData } from '../protect/eval-data.ts';
import { openPlainModel } from '../open-model.ts';
import type { Services } from '../services.ts';
import { assertNoInput, makeParent, writeBytes, writeOutput } from '../write-bytes.ts';
import { writeCopy, type WrittenCopy } from '../write-copy.ts';
import { type Effect, type EffectOutcome, measureEffect, type Shown } from './effect.ts';
import { drawLogo } from './logo.ts';
import { toPictures } from './pictures.ts';
import { type MarkWish, toMarkSpec } from './specs.ts';

export interface StampOptions {
  /** Absolute path of the model. */
  readonly path: string;
  /** Absolute path of the marked copy. */
  readonly out: string;
  /** Absolute path of the mark file to make. */
  readonly markPath: string;
  /** Absolute path of the mark file whose mark is to be replaced; null adds one. */
  readonly replacePath: string | null;
  readonly wish: MarkWish;
  /** Absolute path of the report to make; null for none. */
  readonly reportPath: string | null;
  /** False leaves the measurement out. */
  readonly isMeasured: boolean;
  readonly force: boolean;
  readonly evalPath?: string | undefined;
  /** Absolute path of an npy or npz with one input as the model takes it, for pictures and times. */
  readonly inputPath?: string | undefined;
  readonly dataRoot?: string | undefined;
}

export interface StampResult {
  readonly kind: OutputMark['kind'];
  readonly id: string;
  readonly marked: WrittenCopy;
  readonly mark: string;
  readonly report: string | null;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Null when it was not measured; `unmeasured` then says why. */
  readonly effect: Effect | null;
  readonly unmeasured: string | null;
  readonly statement: string;
}

/** @throws WorkflowError MODEL_SEALED; WatermarkError WATERMARK_OUTPUT_… | WATERMARK_SVG_… | SVG_RENDERER_MISSING; SurgeryError; FormatError | SourceError; RuntimeError DATA_… */
export async function stampOutputs(services: Services, options: StampOptions): Promise<StampResult> {
  assertOutputs(services, options);
  const model = openPlainModel(options.path, options.dataRoot);
  try {
    const mark = toOutputMark(await drawLogo(services, toMarkSpec(model, options.wish)));
    const old = options.replacePath === null ? null : parseOutputMark(services.storage.read(options.replacePath));
    const edit = old === null ? editOutputMark(model, mark) : editOutputMarkRemoval(model, old, mark);
    const plan = edit.toRewrite();
    const outcome = await measure(services, options, model, plan);
    writeMarkFile(services, options, mark);
    const marked = writeCopy(services, options, plan);
    const sizes = { bytesBefore: countBytes(model), bytesAfter: countPlanned(plan) };
    const effect = outcome.kind === 'measured' ? outcome.effect : null;
    const unmeasured = outcome.kind === 'unmeasured' ? outcome.reason : null;
    if (options.reportPath !== null) {
      const shown = outcome.kind === 'measured' ? outcome.shown : null;
      const page = toPage(services, options, { mark, effect, unmeasured, shown, ...sizes });
      writeOutput(services, options.reportPath, utf8(toOutputMarkHtml(page)));
    }
    const facts = { kind: mark.kind, id: mark.id, mark: options.markPath, report: options.reportPath };
    return { ...facts, marked, ...sizes, effect, unmeasured, statement: toStatement(mark) };
  } finally {
    model.close();
  }
}

/** What cannot be written is told before the measurement, which takes long. */
function assertOutputs({ storage }: Services, { path, out, markPath, reportPath, force }: StampOptions): void {
  assertNoInput([markPath, reportPath], [path]);
  if (force) return;
  assertAbsent(storage, out);
  assertAbsent(storage, markPath);
}

async function measure(
  services: Services,
  options: StampOptions,
  model: Model,
  plan: RewritePlan,
): Promise<EffectOutcome> {
  if (!options.isMeasured) return { kind: 'unmeasured', reason: 'it was not asked for' };
  const data = openEvalData(services, options);
  try {
    return await measureEffect({
      runtime: await services.openRuntime(),
      clock: services.clock,
      original: readRuntimeModel(model),
      marked: readRuntimeModel(model, plan),
      graph: model.graph,
      data,
      input: options.inputPath === undefined ? null : readArrays(openFileSource(options.inputPath)),
      progress: services.progress,
    });
  } finally {
    data?.close();
  }
}

/** It holds the key of the mark: only its owner may read it. */
function writeMarkFile({ storage }: Services, { markPath, force }: StampOptions, mark: OutputMark): void {
  makeParent(storage, markPath);
  writeBytes(storage, { path: markPath, mode: 0o600, bytes: formatOutputMark(mark), replace: force });
}

interface PageFacts {
  readonly mark: OutputMark;
  readonly effect: Effect | null;
  readonly unmeasured: string | null;
  readonly shown: Shown | null;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

function toPage(services: Services, options: StampOptions, facts: PageFacts): OutputMarkPage {
  const { mark, effect, unmeasured, shown, bytesBefore, bytesAfter } = facts;
  return {
    model: basename(options.path),
    toolVersion: services.toolVersion,
    kind: mark.kind,
    id: mark.id,
    says: 'payload' in mark ? toShownPayload(mark.payload) : null,
    bytesBefore,
    bytesAfter,
    effect,
    unmeasured,
    pictures: shown === null ? null : toPictures(mark, shown),
    statement: toStatement(mark),
  };
}

function toStatement({ kind }: OutputMark): string {
  return kind === 'checksum' ? CHECKSUM_STATEMENT : OUTPUT_MARK_STATEMENT;
}

function countBytes(model: Model): number {
  return model.files.reduce((sum, { source }) => sum + source.size, 0);
}

function countPlanned(plan: RewritePlan): number {
  return plan.files.reduce((sum, { ops }) => sum + toRewriteSize(ops), 0);
}
