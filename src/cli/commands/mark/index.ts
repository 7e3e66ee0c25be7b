/** `modelward mark`: the ownership mark at other times than after training. */
import type { Command } from 'commander';
import { addCommands, type CommandRow } from '../../command-table.ts';
import type { CommandHost } from '../../context.ts';

const COMMANDS: readonly CommandRow[] = [
  {
    name: 'plan',
    summary: 'plan the mark of a model that is still to be trained, with a recipe for the trainer',
    load: async () => (await import('./plan.ts')).definePlan,
  },
];

export function defineMark(mark: Command, host: CommandHost): void {
  mark.description(
    'The ownership mark at other times than after training. To mark a trained model, use "modelward protect".',
  );
  addCommands(mark, COMMANDS, host);
}
