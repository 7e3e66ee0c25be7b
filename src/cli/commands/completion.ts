/** `modelward completion`: the script that completes commands, options and files in a shell. */
import { Argument, type Command } from 'commander';
import { EXIT } from '../../core/errors.ts';
import { addExamples, toCommandSpecs } from '../command-spec.ts';
import { SHELLS, type Shell, toCompletionScript } from '../completion.ts';
import { type CommandHost, onAction } from '../context.ts';

export function addCompletion(program: Command, host: CommandHost): void {
  const command = program
    .command('completion')
    .summary('print the completion script of a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices([...SHELLS]));
  addExamples(command, [
    {
      command: 'modelward completion bash > ~/.local/share/bash-completion/completions/modelward',
      summary: 'install for bash',
    },
  ]);
  onAction<object>(host, command, (context, _flags, words) => {
    const script = toCompletionScript(words[0] as Shell, program.name(), toCommandSpecs(program));
    context.ui.result({ shell: words[0], script }, () => script);
    return EXIT.ok;
  });
}
