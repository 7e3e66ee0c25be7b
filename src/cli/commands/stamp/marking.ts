/** What all kinds of marks share: their options, the work, and what is said of the effect. */
import type { Command } from 'commander';
import { EXIT } from '../../../core/errors.ts';
import { toByteText, toPercentText, toSmallPercentText } from '../../../core/quantities.ts';
import type { MarkWish } from '../../../workflows/output-mark/specs.ts';
import { stampOutputs, type StampResult } from '../../../workflows/output-mark/stamp.ts';
import { type CliContext, toPathOption } from '../../context.ts';
import { toPairs } from '../../ui/table.ts';
import { addCopyOptions, type CopyFlags, toCopyOptions } from '../model-options.ts';

const ENDING = 'stamped';

export interface MarkingFlags extends CopyFlags {
  readonly mark?: string;
  readonly replace?: string;
  readonly report?: string;
  readonly eval?: string;
  readonly input?: string;
  /** False with --no-measure. */
  readonly measure?: boolean;
}

export function addMarkingOptions(command: Command): Command {
  return addCopyOptions(command.argument('<model>', 'ONNX model'), ENDING)
    .option('--mark <file>', 'mark file to make; it holds the key: keep it (default: OUT.mark.json)')
    .option('--replace <file>', 'mark file of a mark of yours that this one replaces')
    .option('--report <file>', 'HTML page with the effect, and a picture before and after')
    .option('--eval <data>', 'labelled data (npz, npy, idx, csv, or a folder of images) to measure the effect on')
    .option('--input <file>', 'npy or npz with one input as the model takes it, for the picture and the times')
    .option('--no-measure', 'do not run the model before and after');
}

/** Puts the mark in, and says what it did. */
export async function runMarking(
  context: CliContext,
  flags: MarkingFlags,
  words: readonly string[],
  wish: MarkWish,
): Promise<typeof EXIT.ok> {
  const copy = toCopyOptions(context, flags, { model: words[0], ending: ENDING });
  const toPath = (path: string | undefined): string | null => (path === undefined ? null : context.toAbsolute(path));
  const result = await stampOutputs(context.services, {
    ...copy,
    markPath: toPath(flags.mark) ?? `${copy.out}.mark.json`,
    replacePath: toPath(flags.replace),
    reportPath: toPath(flags.report),
    wish,
    isMeasured: flags.measure !== false,
    ...toPathOption(context, 'evalPath', flags.eval),
    ...toPathOption(context, 'inputPath', flags.input),
  });
  context.ui.result(result, ({ style }) => toPairs(toLines(result), style));
  return EXIT.ok;
}

function toLines(result: StampResult): [string, string][] {
  const { effect } = result;
  const lines: [string, string][] = [
    ['marked', result.marked.path],
    ['mark file', result.mark],
    ...(result.report === null ? [] : [['report', result.report] as [string, string]]),
    ['size', `${toByteText(result.bytesBefore)} before, ${toByteText(result.bytesAfter)} after`],
  ];
  if (effect === null) lines.push(['effect', `not measured: ${result.unmeasured ?? ''}`]);
  else {
    for (const { name, shapeBefore, changed, maxChange } of effect.outputs) {
      const change =
        shapeBefore === null
          ? 'new'
          : `${toSmallPercentText(changed)} of the values changed, by at most ${maxChange.toPrecision(2)}`;
      lines.push([`output ${name}`, change]);
    }
    const { accuracyOriginal = null, accuracyMarked = null } = effect.accuracy ?? {};
    if (accuracyOriginal !== null && accuracyMarked !== null) {
      lines.push([
        'accuracy',
        `${toPercentText(accuracyOriginal, 2)} before, ${toPercentText(accuracyMarked, 2)} after`,
      ]);
    }
    const { ratio, ratioLow, ratioHigh, pairs } = effect.latency;
    const range = `middle half ${ratioLow.toFixed(3)} to ${ratioHigh.toFixed(3)}`;
    lines.push(['time', `× ${ratio.toFixed(3)} (median of ${pairs} pairs, ${range})`]);
  }
  return [...lines, ['note', result.statement]];
}

/** A fresh key: it stays in the mark file. */
export function toKey(context: CliContext): Uint8Array {
  const key = new Uint8Array(32);
  context.services.random.fill(key);
  return key;
}
