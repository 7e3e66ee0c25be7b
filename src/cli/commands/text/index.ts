/** `modelward text`: a mark in what a decoder writes. */
import type { Command } from 'commander';
import { addCommands, type CommandRow } from '../../command-table.ts';
import type { CommandHost } from '../../context.ts';

const COMMANDS: readonly CommandRow[] = [
  {
    name: 'embed',
    summary: 'put a keyed green list in front of the scores of a decoder',
    load: async () => (await import('./embed.ts')).defineTextEmbed,
  },
  {
    name: 'detect',
    summary: 'read the mark in texts, and say how strong the evidence is',
    load: async () => (await import('./detect.ts')).defineTextDetect,
  },
  {
    name: 'remove',
    summary: 'take the mark out of a copy',
    load: async () => (await import('./remove.ts')).defineTextRemove,
  },
];

export function defineText(text: Command, host: CommandHost): void {
  text.description(
    'Marks what a text model writes: after each token, a keyed share of the vocabulary is made a little likelier. Texts are then tested against the key with an exact p-value. The table lies in the graph: whoever has the file can take it out, so the mark tells texts of this deployment, and does not protect the file.',
  );
  addCommands(text, COMMANDS, host);
}
