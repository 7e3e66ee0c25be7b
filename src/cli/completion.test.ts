import { execFileSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Argument, Command, Option } from 'commander';
import { describe, expect, test } from 'vitest';
import { describeWithProgram } from '../../test/shared-data.ts';
import { addExamples, toCommandSpecs } from './command-spec.ts';
import { toCompletionScript } from './completion.ts';

function createProgram(): Command {
  const program = new Command('modelward').description('Protects models.').option('--quiet', "don't talk");
  const protect = program
    .command('protect')
    .summary('mark, seal and record')
    .description('Marks, seals and records a model.')
    .argument('<model>', 'the model')
    .option('-o, --out <dir>', 'where results go', 'out')
    .option('--eval <data>', 'labelled [data]: npy')
    .requiredOption('--owner <id>', 'who owns it')
    .addOption(new Option('--secret-knob').hideHelp());
  addExamples(protect, [{ command: 'modelward protect model.onnx', summary: 'with no options' }]);
  const keys = program.command('keys').description('Keys.');
  keys.command('rotate').description('Rotates keys.').option('--all');
  program
    .command('completion')
    .description('Prints a script.')
    .addArgument(new Argument('<shell>', 'shell').choices(['bash', 'zsh', 'fish']));
  program.command('internal', { hidden: true });
  return program;
}

describe('command specs', () => {
  test('visible commands, arguments, options and examples are described; hidden ones are not', () => {
    const specs = toCommandSpecs(createProgram());
    expect(specs.map((spec) => spec.name)).toEqual(['', 'protect', 'keys', 'keys rotate', 'completion']);
    const protect = specs[1];
    expect(protect).toMatchObject({
      summary: 'mark, seal and record',
      arguments: [{ name: 'model', kind: 'file', isRequired: true, isVariadic: false }],
      examples: [{ command: 'modelward protect model.onnx' }],
    });
    expect(protect.options.map((option) => option.long)).toEqual(['--out', '--eval', '--owner', '--help']);
    expect(protect.options[0]).toMatchObject({
      short: '-o',
      value: { kind: 'folder' },
      defaultText: 'out',
      isRequired: false,
    });
    expect(protect.options[2]).toMatchObject({ value: { kind: 'text' }, isRequired: true });
    expect(specs[4].arguments[0]).toMatchObject({ kind: 'choice', choices: ['bash', 'zsh', 'fish'] });
  });

  test('help ends with the examples', () => {
    let help = '';
    const program = createProgram();
    const protect = program.commands[0];
    protect.configureOutput({ writeOut: (text) => (help += text) });
    protect.outputHelp();
    expect(help).toContain('Examples:\n  $ modelward protect model.onnx\n      with no options');
  });
});

const folder = mkdtempSync(join(tmpdir(), 'completion-'));
writeFileSync(join(folder, 'resnet.onnx'), '');

function writeScript(shell: 'bash' | 'zsh' | 'fish'): string {
  const path = join(folder, `_modelward.${shell}`);
  writeFileSync(path, toCompletionScript(shell, 'modelward', toCommandSpecs(createProgram())));
  return path;
}

describeWithProgram('bash completion', 'bash', ['--version'], () => {
  function complete(...words: string[]): string[] {
    const script = `source "$1"; shift; cd "$1"; shift
      COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _modelward; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const args = ['--norc', '-c', script, 'bash', writeScript('bash'), folder, 'modelward', ...words];
    return execFileSync('bash', args, { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line !== '')
      .sort();
  }

  test('commands, subcommands, options, choices and files are offered where they belong', () => {
    expect(complete('')).toEqual(['--help', '--quiet', '-h', 'completion', 'keys', 'protect']);
    expect(complete('pro')).toEqual(['protect']);
    expect(complete('keys', 'ro')).toEqual(['rotate']);
    expect(complete('protect', '--o')).toEqual(['--out', '--owner']);
    expect(complete('protect', '--qu')).toEqual(['--quiet']);
    expect(complete('protect', 'res')).toEqual(['resnet.onnx']);
    expect(complete('completion', 'z')).toEqual(['zsh']);
    expect(complete('protect', '--owner', 'x')).toEqual([]);
  });
});

describeWithProgram('zsh completion', 'zsh', ['--version'], () => {
  test('the script is accepted, and defines a function for every command', () => {
    const script = 'autoload -U compinit; compinit -u -D; source "$1"; print -l ${(ok)functions[(I)_modelward*]}';
    const args = ['-f', '-c', script, 'zsh', writeScript('zsh')];
    const functions = execFileSync('zsh', args, { encoding: 'utf8' }).trim().split('\n');
    expect(functions).toEqual([
      '_modelward',
      '_modelward_completion',
      '_modelward_keys',
      '_modelward_keys_rotate',
      '_modelward_protect',
    ]);
  });
});

describeWithProgram('fish completion', 'fish', ['--version'], () => {
  function complete(line: string): string[] {
    const script = `source ${writeScript('fish')}; cd ${folder}; complete -C ${JSON.stringify(line)}`;
    const output = execFileSync('fish', ['--no-config', '-c', script], { encoding: 'utf8' });
    return output
      .trim()
      .split('\n')
      .map((text) => text.split('\t')[0]);
  }

  test('commands, subcommands, options and files are offered where they belong', () => {
    expect(complete('modelward pro')).toEqual(['protect']);
    expect(complete('modelward keys ro')).toEqual(['rotate']);
    expect(complete('modelward protect --ow')).toEqual(['--owner']);
    expect(complete('modelward protect --qu')).toEqual(['--quiet']);
    expect(complete('modelward protect --eval res')).toEqual(['resnet.onnx']);
  });
});

describe('scripts as text', () => {
  test('quotes, colons and brackets of summaries are escaped for each shell', () => {
    const specs = toCommandSpecs(createProgram());
    expect(toCompletionScript('fish', 'modelward', specs)).toContain("-d 'don\\'t talk'");
    expect(toCompletionScript('zsh', 'modelward', specs)).toContain("'--quiet[don'\\''t talk]'");
    expect(toCompletionScript('zsh', 'modelward', specs)).toContain("'--eval[labelled \\[data\\]\\: npy]:data:_files'");
    expect(toCompletionScript('fish', 'modelward', specs)).toContain(
      "-l out -s o -d 'where results go' -x -a '(__fish_complete_directories)'",
    );
  });
});
