/** `modelward label`: fragile labels. One identifies an unchanged file; it is no mark. */
import type { Command } from 'commander';
import { addCommands, type CommandRow } from '../../command-table.ts';
import type { CommandHost } from '../../context.ts';

const COMMANDS: readonly CommandRow[] = [
  {
    name: 'write',
    summary: 'store text, a UUID, a checksum or a file in the least significant bits of weights and biases',
    load: async () => (await import('./write.ts')).defineWrite,
  },
  {
    name: 'read',
    summary: 'read the label of a model',
    load: async () => (await import('./read.ts')).defineRead,
  },
  {
    name: 'graph',
    summary: 'write, read or remove a label in the graph: metadata, names, attributes, split tensors, copied channels',
    load: async () => (await import('./graph.ts')).defineGraphLabel,
  },
];

export function defineLabel(label: Command, host: CommandHost): void {
  label.description(
    'Labels say which copy a file is: in the least significant bits of its weights, or in its graph. They identify a file that nobody changed, and prove no ownership; that is what "protect" and "detect" are for.',
  );
  addCommands(label, COMMANDS, host);
}
