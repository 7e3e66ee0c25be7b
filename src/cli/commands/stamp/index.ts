/** `modelward stamp`: marks in what a model answers. They are labels: they identify, and prove no ownership. */
import type { Command } from 'commander';
import { addCommands, type CommandRow } from '../../command-table.ts';
import type { CommandHost } from '../../context.ts';

const COMMANDS: readonly CommandRow[] = [
  {
    name: 'boxes',
    summary: 'append a keyed pattern of boxes to the detections of a model',
    load: async () => (await import('./boxes.ts')).defineBoxes,
  },
  {
    name: 'scores',
    summary: 'replace the digits of scores below the shown precision by a keyed dither',
    load: async () => (await import('./scores.ts')).defineScores,
  },
  {
    name: 'image',
    summary: 'draw a text or a logo into the image that a model makes',
    load: async () => (await import('./image.ts')).defineImage,
  },
  {
    name: 'hidden',
    summary: 'add a faint keyed pattern to the image that a model makes',
    load: async () => (await import('./hidden.ts')).defineHidden,
  },
  {
    name: 'signature',
    summary: 'add an output that always says the same: a licence, a UUID, a checksum',
    load: async () => (await import('./signature.ts')).defineSignature,
  },
  {
    name: 'checksum',
    summary: 'append a checksum to the predictions of a model',
    load: async () => (await import('./checksum.ts')).defineChecksum,
  },
  {
    name: 'read',
    summary: 'look for marks in recorded outputs',
    load: async () => (await import('./read.ts')).defineRead,
  },
  {
    name: 'list',
    summary: 'list the output marks in a model file, by the names of their nodes',
    load: async () => (await import('./list.ts')).defineList,
  },
  {
    name: 'remove',
    summary: 'take a mark of yours out of a copy',
    load: async () => (await import('./remove.ts')).defineRemove,
  },
];

export function defineStamp(stamp: Command, host: CommandHost): void {
  stamp.description(
    'Marks what a model answers: boxes, scores, images, a further output. The marks are put into the graph, and are read from recorded answers with the mark file. They are labels: they show that this graph ran unchanged, and prove no ownership.',
  );
  addCommands(stamp, COMMANDS, host);
}
