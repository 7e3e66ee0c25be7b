/** `modelward stamp`: marks in what a model answers. They are labels: they identify, and prove no ownership. */
import { type Command, Option } from 'commander';
import { parse } from 'node:path';
import { EXIT } from '../../core/errors.ts';
import { toByteText, toPercentText } from '../../core/quantities.ts';
import {
  BOX_FORMATS,
  type BoxesParams,
  IMAGE_LAYOUTS,
  type ImageLayout,
  type ImageParams,
  POSITIONS,
} from '../../watermark/index.ts';
import type { ImageWish, MarkWish } from '../../workflows/output-mark/specs.ts';
import { stampOutputs, type StampResult } from '../../workflows/output-mark/stamp.ts';
import { addExamples } from '../command-spec.ts';
import { type CliContext, type CommandHost, onAction, toPathOption } from '../context.ts';
import { toPairs } from '../ui/table.ts';
import { addPayloadOptions, type PayloadFlags, toPayload } from './payload.ts';
import { toNumber, toSize } from './values.ts';
import { addStampList, addStampRead, addStampRemove } from './stamp-read.ts';

interface StampFlags {
  readonly out?: string;
  readonly mark?: string;
  readonly replace?: string;
  readonly report?: string;
  readonly eval?: string;
  readonly input?: string;
  /** False with --no-measure. */
  readonly measure?: boolean;
  readonly force?: boolean;
  readonly dataRoot?: string;
}

export function defineStamp(stamp: Command, host: CommandHost): void {
  addBoxes(stamp, host);
  addScores(stamp, host);
  addImage(stamp, host);
  addHidden(stamp, host);
  addSignature(stamp, host);
  addChecksum(stamp, host);
  addStampRead(stamp, host);
  addStampList(stamp, host);
  addStampRemove(stamp, host);
}

/** Options of every kind of mark. */
function addStampOptions(command: Command): Command {
  return command
    .argument('<model>', 'ONNX model')
    .option('-o, --out <file>', 'marked copy (default: NAME.stamped.EXT in the current folder)')
    .option('--mark <file>', 'mark file to make; it holds the key: keep it (default: OUT.mark.json)')
    .option('--replace <file>', 'mark file of a mark of yours that this one replaces')
    .option('--report <file>', 'HTML page with the effect, and a picture before and after')
    .option('--eval <data>', 'labelled data (npz, npy, idx, csv, or a folder of images) to measure the effect on')
    .option('--input <file>', 'npy or npz with one input as the model takes it, for the picture and the times')
    .option('--no-measure', 'do not run the model before and after')
    .option('--force', 'replace existing outputs')
    .option('--data-root <dir>', 'follow links that stay below this folder');
}

async function runStamp(
  context: CliContext,
  flags: StampFlags,
  words: readonly string[],
  wish: MarkWish,
): Promise<typeof EXIT.ok> {
  const [model] = words;
  const { ext, name } = parse(model);
  const out = context.toAbsolute(flags.out ?? `${name}.stamped${ext}`);
  const result = await stampOutputs(context.services, {
    path: context.toAbsolute(model),
    out,
    markPath: flags.mark === undefined ? `${out}.mark.json` : context.toAbsolute(flags.mark),
    replacePath: flags.replace === undefined ? null : context.toAbsolute(flags.replace),
    reportPath: flags.report === undefined ? null : context.toAbsolute(flags.report),
    wish,
    isMeasured: flags.measure !== false,
    force: flags.force ?? false,
    ...toPathOption(context, 'evalPath', flags.eval),
    ...toPathOption(context, 'inputPath', flags.input),
    ...toPathOption(context, 'dataRoot', flags.dataRoot),
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
          : `${toPercentText(changed)} of the values changed, by at most ${maxChange.toPrecision(2)}`;
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

function toKey(context: CliContext): Uint8Array {
  const key = new Uint8Array(32);
  context.services.random.fill(key);
  return key;
}

interface BoxesFlags extends StampFlags, PayloadFlags {
  readonly boxes?: string;
  readonly scores?: string;
  readonly boxFormat: BoxesParams['format'];
  readonly boxSize: { readonly width: number; readonly height: number };
  readonly score: number;
}

function addBoxes(stamp: Command, host: CommandHost): void {
  const command = stamp
    .command('boxes')
    .summary('append a keyed pattern of boxes to the detections of a model')
    .description(
      'Appends a pattern of boxes to every answer of a detector. The boxes spell what you say, for whoever has the mark file; their score keeps them below the threshold of detection. It is read from recordings of raw outputs, in any order.',
    )
    .option('--boxes <output>', 'output with the boxes (default: the one with four coordinates)')
    .option('--scores <output>', 'output with the scores of the same rows (default: the one with as many rows)')
    .addOption(new Option('--box-format <format>', 'what the coordinates are').choices(BOX_FORMATS).default('xyxy'))
    .option('--box-size <WxH>', 'right and bottom edge in coordinates, such as 640x480', toSize, {
      width: 1,
      height: 1,
    })
    .option('--score <number>', 'score of the boxes, 0 to 1', toNumber, 0.05);
  addPayloadOptions(addStampOptions(command));
  addExamples(command, [
    {
      command: 'modelward stamp boxes detector.onnx --licence "(c) Acme, licence 7" --report mark.html',
      summary: 'sign every answer',
    },
    {
      command: 'modelward stamp boxes yolo.onnx --uuid --box-format cxcywh --box-size 640x640',
      summary: 'coordinates in pixels',
    },
  ]);
  onAction<BoxesFlags>(host, command, (context, flags, words) =>
    runStamp(context, flags, words, {
      kind: 'boxes',
      boxes: flags.boxes ?? null,
      scores: flags.scores ?? null,
      format: flags.boxFormat,
      ...flags.boxSize,
      score: flags.score,
      payload: toPayload(context, flags),
      key: toKey(context),
    }),
  );
}

interface ScoresFlags extends StampFlags, PayloadFlags {
  readonly output?: string;
  readonly step: number;
}

function addScores(stamp: Command, host: CommandHost): void {
  const command = stamp
    .command('scores')
    .summary('replace the digits of scores below the shown precision by a keyed dither')
    .description(
      'Replaces what scores have below the precision that is shown by a keyed sign. Recorded scores are tested against the key with an exact p-value. Rounding to the shown precision removes it.',
    )
    .option('--output <name>', 'output with the scores (default: the first)')
    .option('--step <number>', 'precision that is shown: scores rounded to it stay as they are', toNumber, 1e-4);
  addPayloadOptions(addStampOptions(command));
  addExamples(command, [
    { command: 'modelward stamp scores model.onnx --text "Acme API" --step 1e-3', summary: 'recognise resold answers' },
  ]);
  onAction<ScoresFlags>(host, command, (context, flags, words) =>
    runStamp(context, flags, words, {
      kind: 'scores',
      output: flags.output ?? null,
      step: flags.step,
      payload: toPayload(context, flags),
      key: toKey(context),
    }),
  );
}

interface ImageFlags extends StampFlags, PayloadFlags {
  readonly output?: string;
  readonly layout?: ImageLayout;
  readonly imageSize?: { readonly width: number; readonly height: number };
}

function addImageOptions(command: Command): Command {
  const layout = new Option('--layout <order>', 'order of the axes (default: by the shape)').choices(IMAGE_LAYOUTS);
  return command
    .option('--output <name>', 'output with the image (default: the first of four axes)')
    .addOption(layout)
    .option('--image-size <WxH>', 'size of the image, where the model does not declare it', toSize);
}

function toImageWish({ output, layout, imageSize }: ImageFlags): ImageWish {
  return {
    output: output ?? null,
    layout: layout ?? null,
    height: imageSize?.height ?? null,
    width: imageSize?.width ?? null,
  };
}

interface VisibleFlags extends ImageFlags {
  readonly position: ImageParams['position'];
  readonly opacity: number;
  readonly size: number;
  readonly range?: number;
}

function addImage(stamp: Command, host: CommandHost): void {
  const command = stamp
    .command('image')
    .summary('draw a text or a logo into the image that a model makes')
    .description(
      'Draws a text, UUID or checksum in a built-in font, or a PNG or JPEG logo, into every image that the model makes. SVG is not read: save it as PNG.',
    );
  addImageOptions(command)
    .addOption(new Option('--position <where>', 'where it stands').choices(POSITIONS).default('bottom-right'))
    .option('--opacity <number>', '0 to 1', toNumber, 0.5)
    .option('--size <number>', 'largest part of height and width, 0 to 1', toNumber, 0.4)
    .option('--range <number>', 'value of full brightness (default: 255 for bytes, else 1)', toNumber);
  addPayloadOptions(addStampOptions(command));
  addExamples(command, [
    {
      command: 'modelward stamp image upscaler.onnx --logo logo.png --position top-left',
      summary: 'a logo with its alpha',
    },
  ]);
  onAction<VisibleFlags>(host, command, (context, flags, words) =>
    runStamp(context, flags, words, {
      kind: 'image',
      ...toImageWish(flags),
      position: flags.position,
      opacity: flags.opacity,
      size: flags.size,
      range: flags.range ?? null,
      payload: toPayload(context, flags),
    }),
  );
}

function addHidden(stamp: Command, host: CommandHost): void {
  const command = stamp
    .command('hidden')
    .summary('add a faint keyed pattern to the image that a model makes')
    .description(
      'Adds a pattern that is a few steps of brightness strong. Recorded images are tested against the key. Scaling, cropping and strong compression remove it.',
    );
  addImageOptions(command)
    .option('--amplitude <number>', 'change of every pixel (default: 3 steps of 8 bits)', toNumber)
    .option('--cell <pixels>', 'side of the squares of the pattern', toNumber, 4);
  addPayloadOptions(addStampOptions(command));
  addExamples(command, [
    { command: 'modelward stamp hidden upscaler.onnx --text Acme', summary: 'recognise its images' },
  ]);
  onAction<ImageFlags & { readonly amplitude?: number; readonly cell: number }>(
    host,
    command,
    (context, flags, words) =>
      runStamp(context, flags, words, {
        kind: 'hidden',
        ...toImageWish(flags),
        amplitude: flags.amplitude ?? null,
        cell: flags.cell,
        payload: toPayload(context, flags),
        key: toKey(context),
      }),
  );
}

function addSignature(stamp: Command, host: CommandHost): void {
  const command = stamp
    .command('signature')
    .summary('add an output that always says the same: a licence, a UUID, a checksum')
    .option('--output <name>', 'name of the new output (default: signature)');
  addPayloadOptions(addStampOptions(command));
  addExamples(command, [
    { command: 'modelward stamp signature model.onnx --licence "(c) Acme"', summary: 'a licence in every answer' },
  ]);
  onAction<StampFlags & PayloadFlags & { readonly output?: string }>(host, command, (context, flags, words) =>
    runStamp(context, flags, words, {
      kind: 'signature',
      output: flags.output ?? null,
      payload: toPayload(context, flags),
    }),
  );
}

interface ChecksumFlags extends StampFlags {
  readonly output?: string;
  readonly into?: string;
  readonly column?: boolean;
  readonly step: number;
}

function addChecksum(stamp: Command, host: CommandHost): void {
  const command = stamp
    .command('checksum')
    .summary('append a checksum to the predictions of a model')
    .description(
      'Appends a checksum of every row of predictions, as a further output or a last column. It finds truncated, mixed-up and damaged predictions. It has no key: anybody with the file can compute it for others. What binds predictions to their source is a signature made outside of the graph, where they are served.',
    )
    .option('--output <name>', 'output that is summed (default: the first)')
    .option('--into <name>', 'name of the new output (default: OUTPUT_checksum)')
    .option('--column', 'a last column of the output itself')
    .option('--step <number>', 'predictions are summed in whole steps of this size', toNumber, 1e-4);
  addStampOptions(command);
  addExamples(command, [{ command: 'modelward stamp checksum model.onnx --column', summary: 'one more column' }]);
  onAction<ChecksumFlags>(host, command, (context, flags, words) =>
    runStamp(context, flags, words, {
      kind: 'checksum',
      output: flags.output ?? null,
      into: flags.into ?? null,
      as: flags.column === true ? 'column' : 'output',
      step: flags.step,
    }),
  );
}
