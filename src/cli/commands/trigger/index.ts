/** `modelward trigger`: secret inputs that a model answers as its owner drew it. */
import type { Command } from 'commander';
import { addCommands, type CommandRow } from '../../command-table.ts';
import type { CommandHost } from '../../context.ts';

const COMMANDS: readonly CommandRow[] = [
  {
    name: 'embed',
    summary: 'put triggers into the last layer of a copy of a classifier, without training',
    load: async () => (await import('./embed.ts')).defineEmbed,
  },
  {
    name: 'verify',
    summary: 'ask a suspect the triggers of a claim, or read its recorded answers',
    load: async () => (await import('./verify.ts')).defineVerify,
  },
  {
    name: 'export',
    summary: 'write the inputs of a set of triggers, to run them elsewhere',
    load: async () => (await import('./export.ts')).defineExport,
  },
  {
    name: 'make',
    summary: 'make a trigger set of a data set, for those who still train',
    load: async () => (await import('./make.ts')).defineMake,
  },
];

export function defineTrigger(trigger: Command, host: CommandHost): void {
  trigger.description(
    'Triggers are keyed inputs with keyed answers: a model that gives those answers was made with the key. Put into a last layer they show unmodified, quantised and pruned copies, and are lost in fine-tuning; trained in from a trigger set they last longer. Below 64 bits the evidence is called supporting.',
  );
  addCommands(trigger, COMMANDS, host);
}
