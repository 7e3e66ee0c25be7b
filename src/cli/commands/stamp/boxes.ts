/** `modelward stamp boxes`: a keyed pattern of boxes among the detections. */
import { type Command, Option } from 'commander';
import { BOX_FORMATS, type BoxesParams } from '../../../watermark/index.ts';
import { addExamples } from '../../command-spec.ts';
import { type CommandHost, onAction } from '../../context.ts';
import { addPayloadOptions, type PayloadFlags, toPayload } from '../payload.ts';
import { type PictureSize, toShare, toSize } from '../values.ts';
import { addMarkingOptions, type MarkingFlags, runMarking, toKey } from './marking.ts';

interface BoxesFlags extends MarkingFlags, PayloadFlags {
  readonly boxes?: string;
  readonly scores?: string;
  readonly boxFormat: BoxesParams['format'];
  readonly boxSize: PictureSize;
  readonly score: number;
}

export function defineBoxes(command: Command, host: CommandHost): void {
  command
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
    .option('--score <number>', 'score of the boxes, 0 to 1', toShare, 0.05);
  addPayloadOptions(addMarkingOptions(command));
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
    runMarking(context, flags, words, {
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
