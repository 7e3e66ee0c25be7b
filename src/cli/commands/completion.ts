/** `modelward completion`: the script that completes commands, options and files in a shell. */
import { Argument, type Command } from 'commander';
import { EXIT } from '../../core/errors.ts';
import { addExamples, toCommandSpecs } from '../command-spec.ts';
import { defineAll } from '../command-table.ts';
import { SHELLS, type Shell, toCompletionScript } from '../completion.ts';
import { type CommandHost, onAction } from '../context.ts';

export function defineCompletion(command: Command, host: CommandHost): void {
  command.addArgument(new Argument('<shell>', 'the shell').choices([...SHELLS]));
  addExamples(command, [
    {
      command: 'modelward completion bash > ~/.local/share/bash-completion/completions/modelward',
      summary: 'install for bash',
    },
  ]);
  onAction<object>(host, command, async (context, _flags, words) => {
    const program = command.parent ?? command;
    await defineAll(program);
    const script = toCompletionScript(words[0] as Shell, program.name(), toCommandSpecs(program));
    context.ui.result({ shell: words[0], script }, () => script);
    return EXIT.ok;
  });
}
