/** Completion scripts for bash, zsh and fish, made from the plain description of the commands. */
import type { ArgumentSpec, CommandSpec, OptionSpec } from './command-spec.ts';

export type Shell = 'bash' | 'zsh' | 'fish';
export const SHELLS: readonly Shell[] = ['bash', 'zsh', 'fish'];

/**
 * A script that teaches `shell` to complete `program`.
 * @param specs as `toCommandSpecs` gives them, the program itself first
 */
export function toCompletionScript(shell: Shell, program: string, specs: readonly CommandSpec[]): string {
  if (shell === 'bash') return toBashScript(program, specs);
  return shell === 'zsh' ? toZshScript(program, specs) : toFishScript(program, specs);
}

/** Options of a command and of all commands above it: those of the program are accepted anywhere. */
function toAllOptions(spec: CommandSpec, specs: readonly CommandSpec[]): OptionSpec[] {
  const root = specs.find((one) => one.name === '');
  const options = [...spec.options, ...(root === undefined || root === spec ? [] : root.options)];
  return options.filter((option, index) => options.findIndex((one) => one.long === option.long) === index);
}

function toNames(option: OptionSpec): string[] {
  return [option.long, option.short].filter((name) => name !== null);
}

/** bash: one function that finds the command's words, then offers its subcommands, options, choices or files. */
function toBashScript(program: string, specs: readonly CommandSpec[]): string {
  const name = toIdentifier(program);
  const paths = specs.filter((spec) => spec.name !== '').map((spec) => `      ${quote(spec.name)}) path="$try";;`);
  const cases = specs.map((spec) => {
    const options = toAllOptions(spec, specs);
    const withValue = options.filter((option) => option.value !== null);
    const values = withValue.map(
      (option) => `        ${toNames(option).join('|')}) ${toBashValue(option.value!)}; return;;`,
    );
    const lines = [`    ${quote(spec.name)})`];
    if (values.length > 0) lines.push('      case "$prev" in', ...values, '      esac');
    lines.push(`      words=${quote([...spec.subcommands, ...options.flatMap(toNames)].join(' '))}`);
    const argument = spec.arguments.find((one) => one.kind !== 'text');
    if (argument !== undefined) lines.push(`      [[ $cur != -* ]] && { ${toBashValue(argument)}; return; }`);
    return [...lines, '      ;;'].join('\n');
  });
  return `# bash completion for ${program}: source this file, or put it into bash_completion.d
_${name}() {
  local cur prev path try words word index
  cur="\${COMP_WORDS[COMP_CWORD]}"
  prev="\${COMP_WORDS[COMP_CWORD-1]}"
  path=""
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    try="\${path:+$path }$word"
    case "$try" in
${paths.join('\n')}
    esac
  done
  COMPREPLY=()
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o filenames -F _${name} ${program}
`;
}

function toBashValue(value: Pick<ArgumentSpec, 'kind' | 'choices'>): string {
  const reply = (what: string): string => `mapfile -t COMPREPLY < <(compgen ${what} -- "$cur")`;
  if (value.kind === 'choice') return reply(`-W ${quote(value.choices.join(' '))}`);
  if (value.kind === 'folder') return reply('-d');
  return value.kind === 'file' ? reply('-f') : ':';
}

/** zsh: the options of each command as _arguments specifications. */
function toZshScript(program: string, specs: readonly CommandSpec[]): string {
  const name = toIdentifier(program);
  const functions = specs.map((spec) => toZshFunction(`_${name}${toSuffix(spec.name)}`, spec, specs));
  return `#compdef ${program}
# zsh completion for ${program}: put this file into a folder of $fpath as _${program}

${functions.join('\n')}
compdef _${name} ${program}
`;
}

function toZshFunction(name: string, spec: CommandSpec, specs: readonly CommandSpec[]): string {
  const options = toAllOptions(spec, specs).flatMap((option) =>
    toNames(option).map((flag) => {
      const value = option.value === null ? '' : `:${toZshText(option.value.name)}:${toZshAction(option.value)}`;
      return quote(`${flag}[${toZshText(option.summary)}]${value}`);
    }),
  );
  if (spec.subcommands.length === 0) {
    const words = spec.arguments.map((argument) =>
      quote(`${argument.isVariadic ? '*' : ''}:${toZshText(argument.name)}:${toZshAction(argument)}`),
    );
    return `${name}() {\n  _arguments -s ${[...options, ...words].join(' \\\n    ')}\n}\n`;
  }
  const children = spec.subcommands.map((word) => ({
    word,
    summary: specs.find((one) => one.name === (spec.name === '' ? word : `${spec.name} ${word}`))?.summary ?? '',
  }));
  const described = children.map(({ word, summary }) => quote(`${word}:${summary}`));
  const calls = children.map(({ word }) => `      ${quote(word)}) ${name}${toSuffix(word)};;`);
  return `${name}() {
  local state line
  local -a commands
  commands=(${described.join(' ')})
  _arguments -C ${[...options, quote('1:command:->command'), quote('*::argument:->argument')].join(' \\\n    ')}
  case $state in
    command) _describe command commands;;
    argument)
      case $line[1] in
${calls.join('\n')}
      esac;;
  esac
}
`;
}

function toZshAction(value: Pick<ArgumentSpec, 'kind' | 'choices'>): string {
  if (value.kind === 'choice') return `(${value.choices.join(' ')})`;
  if (value.kind === 'folder') return '_files -/';
  return value.kind === 'file' ? '_files' : ' ';
}

/** fish: one line per word and option, under the condition that the command's words were seen. */
function toFishScript(program: string, specs: readonly CommandSpec[]): string {
  const lines = specs.flatMap((spec) => {
    const condition = toFishCondition(spec);
    const children = spec.subcommands.map((word) => {
      const summary =
        specs.find((one) => one.name === (spec.name === '' ? word : `${spec.name} ${word}`))?.summary ?? '';
      return `complete -c ${program} -f -n ${fishQuote(condition)} -a ${fishQuote(word)} -d ${fishQuote(summary)}`;
    });
    const seen = spec.name === '' ? '' : ` -n ${fishQuote(toFishSeen(spec))}`;
    const options = spec.options.map((option) => {
      const flags = [
        option.long === null ? '' : `-l ${option.long.slice(2)}`,
        option.short === null ? '' : `-s ${option.short.slice(1)}`,
      ];
      return `complete -c ${program}${seen} ${flags.filter(Boolean).join(' ')} -d ${fishQuote(option.summary)}${toFishValue(option)}`;
    });
    return [...children, ...options];
  });
  return `# fish completion for ${program}: put this file into ~/.config/fish/completions\n${lines.join('\n')}\n`;
}

function toFishSeen(spec: CommandSpec): string {
  return spec.name
    .split(' ')
    .map((word) => `__fish_seen_subcommand_from ${word}`)
    .join('; and ');
}

function toFishCondition(spec: CommandSpec): string {
  if (spec.name === '') return '__fish_use_subcommand';
  return `${toFishSeen(spec)}; and not __fish_seen_subcommand_from ${spec.subcommands.join(' ')}`;
}

function toFishValue(option: OptionSpec): string {
  if (option.value === null) return '';
  if (option.value.kind === 'choice') return ` -x -a ${fishQuote(option.value.choices.join(' '))}`;
  if (option.value.kind === 'folder') return " -x -a '(__fish_complete_directories)'";
  return option.value.kind === 'file' ? ' -r -F' : ' -x';
}

function toIdentifier(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9]/g, '_');
}

function toSuffix(name: string): string {
  return name === '' ? '' : `_${toIdentifier(name)}`;
}

/** A word that bash and zsh take literally. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishQuote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** Text inside an _arguments specification: colons and brackets have a meaning there. */
function toZshText(text: string): string {
  return text.replaceAll(/[:[\]\\]/g, '\\$&');
}
