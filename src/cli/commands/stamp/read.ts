/** `modelward stamp read`: marks in recorded answers. */
import type { Command } from 'commander';
import { parse } from 'node:path';
import { EXIT } from '../../../core/errors.ts';
import { type OutputReading, toShownPayload } from '../../../watermark/index.ts';
import { type MarkReading, readMarks } from '../../../workflows/output-mark/read.ts';
import { addExamples } from '../../command-spec.ts';
import { type CliContext, type CommandHost, onAction } from '../../context.ts';
import { toTable } from '../../ui/table.ts';
import { toNumber } from '../values.ts';

/** Evidence of a flag, as for the ownership mark. */
const FOUND_BITS = 64;

export function defineRead(command: Command, host: CommandHost): void {
  command
    .description(
      'Reads marks from what a model answered, recorded as npz, npy, JSON ({"output": [[…]]}), or a folder of npy files as "modelward run" writes them. Every mark is tried in every recording; each pair is one trial, and more trials made elsewhere are added. Exit 1 when a mark is not found, or a checksum is wrong.',
    )
    .argument('<recordings...>', 'npz, npy, JSON or folders of npy, with outputs by their names')
    .requiredOption('--mark <files...>', 'mark files')
    .option('--trials <number>', 'keys and recordings that were tried before', toNumber, 0);
  addExamples(command, [
    { command: 'modelward stamp read answers.npz --mark model.stamped.onnx.mark.json', summary: 'is this ours?' },
  ]);
  onAction<ReadFlags>(host, command, (context, flags, words) => {
    return readRecordings(context, words, flags) ? EXIT.ok : EXIT.findings;
  });
}

export interface ReadFlags {
  readonly mark: readonly string[];
  readonly trials: number;
}

/** Prints what was read of every mark in every recording; true when all of them were found. */
export function readRecordings(
  context: CliContext,
  recordings: readonly string[],
  { mark, trials }: ReadFlags,
): boolean {
  const readings = readMarks(context.services, {
    recordings: recordings.map((path) => context.toAbsolute(path)),
    marks: mark.map((path) => context.toAbsolute(path)),
    furtherTrials: trials,
  });
  context.ui.result({ readings: readings.map(toShown) }, ({ style, widthColumns }) =>
    toTable({
      columns: [
        { title: 'recording', isFlexible: true },
        { title: 'mark' },
        { title: 'found' },
        { title: 'what was read', isFlexible: true },
      ],
      rows: readings.map(({ recording, reading, id }) => [
        parse(recording).base,
        `${reading.kind} ${id}`,
        isGood(reading) ? 'yes' : 'no',
        toWords(reading),
      ]),
      style,
      widthColumns,
    }),
  );
  return readings.every(({ reading }) => isGood(reading));
}

function isGood(reading: OutputReading): boolean {
  if ('isFound' in reading) return reading.isFound;
  return reading.kind === 'checksum' ? reading.wrong.length === 0 : reading.evidenceBits >= FOUND_BITS;
}

/** The payload in words instead of bytes. */
function toShown({ reading, ...rest }: MarkReading): object {
  const isFound = isGood(reading);
  if (!('payload' in reading) || reading.payload === undefined) return { ...rest, isFound, reading };
  const { payload, ...figures } = reading;
  return { ...rest, isFound, reading: { ...figures, says: toShownPayload(payload) } };
}

function toWords(reading: OutputReading): string {
  switch (reading.kind) {
    case 'boxes':
      return reading.payload === undefined
        ? 'no whole pattern'
        : `"${toShownPayload(reading.payload)}" in ${reading.rows ?? 0} boxes`;
    case 'signature':
      return reading.payload === undefined ? 'no whole signature' : `"${toShownPayload(reading.payload)}"`;
    case 'scores':
      return `${reading.agreeing} of ${reading.cells} signs agree: ${reading.evidenceBits.toFixed(1)} bits (exact, ${reading.trials} trials; found from ${FOUND_BITS})`;
    case 'hidden':
      return `${reading.evidenceBits.toFixed(1)} bits (bound, ${reading.trials} trials; found from ${FOUND_BITS}), ${reading.images} images`;
    case 'image':
      return `correlation ${reading.correlation.toFixed(2)} with the mark's place; a look, not a test`;
    case 'checksum':
      return reading.wrong.length === 0
        ? `all ${reading.rows} rows agree`
        : `wrong rows: ${reading.wrong.slice(0, 20).join(', ')}`;
  }
}
