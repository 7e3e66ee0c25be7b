/** docs/cli.md: every command with its arguments, options and examples, and the exit codes. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Command } from 'commander';
import type { CommandSpec, OptionSpec } from '../../src/cli/command-spec.ts';
import { toCommandSpecs } from '../../src/cli/command-spec.ts';
import { defineAll } from '../../src/cli/command-table.ts';
import { EXIT } from '../../src/core/errors/table.ts';
import { GENERATED_NOTICE, type GeneratedDoc, toCell } from './generated.ts';

/** The version is not printed into the document: it would change with every release. */
const PLACEHOLDER_VERSION = '0.0.0';

const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'done, nothing found',
  findings: 'findings: changed, suspicious, or an expectation was not met; graded in the output',
  usage: 'wrong usage',
  malformed: 'input malformed or refused',
  cannotTell: 'not analysed, or cannot tell; never silently "clean"',
  noKey: 'no key: key, licence or attestation refused',
  environment: 'environment: disk, network or a service',
  internal: 'internal error, a defect of the program',
  interrupted: 'interrupted',
};

/** Descriptions of the commands of src/cli/program.ts; undefined as long as there is no such file. */
export async function loadCommandSpecs(root: string): Promise<CommandSpec[] | undefined> {
  const path = join(root, 'src/cli/program.ts');
  if (!existsSync(path)) return undefined;
  const module = (await import(pathToFileURL(path).href)) as {
    createProgram: (host: unknown, version: string) => Command;
  };
  // Describing a command never runs it, so that the host is never asked for anything.
  const host = {
    open: () => {
      throw new Error('internal error: a command ran while it was being described');
    },
    end: () => undefined,
  };
  const program = module.createProgram(host, PLACEHOLDER_VERSION);
  await defineAll(program);
  return toCommandSpecs(program);
}

export function toCliDoc(program: string, specs: readonly CommandSpec[]): GeneratedDoc {
  const root = specs.find((spec) => spec.name === '');
  const commands = specs.filter((spec) => spec.name !== '');
  const rows = commands.map(
    (spec) => `| [\`${program} ${spec.name}\`](#${toAnchor(`${program} ${spec.name}`)}) | ${toCell(spec.summary)} |`,
  );
  const exits = Object.entries(EXIT).map(([name, code]) => `| ${code} | ${EXIT_MEANINGS[name as keyof typeof EXIT]} |`);
  return {
    file: 'docs/cli.md',
    text: [
      `# Command line\n\n${GENERATED_NOTICE}\n`,
      'Data goes to stdout, everything else to stderr. With `--json`, stdout gets exactly one line: the result object, or',
      '`{"error": …}`. Secrets are read from the terminal, a file or a descriptor, never from arguments or the environment.\n',
      `| command | what it does |\n|---|---|\n${rows.join('\n')}\n`,
      ...(root === undefined ? [] : [`## Options of every command\n\n${toOptionTable(root.options)}`]),
      ...commands.map((spec) => toCommandSection(program, spec)),
      `## Exit codes\n\n| code | meaning |\n|---|---|\n${exits.join('\n')}\n`,
    ].join('\n'),
  };
}

function toCommandSection(program: string, spec: CommandSpec): string {
  const title = `${program} ${spec.name}`;
  const words = spec.arguments.map((argument) => {
    const name = argument.isVariadic ? `${argument.name}...` : argument.name;
    return argument.isRequired ? `<${name}>` : `[${name}]`;
  });
  const usage = [title, ...(spec.subcommands.length > 0 ? ['<command>'] : []), ...words];
  const isHelp = (option: OptionSpec): boolean => option.long === '--help';
  const options = spec.options.filter((option) => !isHelp(option));
  const parts = [
    `## ${title}\n`,
    `${toSentence(spec.description)}\n`,
    `\`\`\`\n${usage.join(' ')}${options.length > 0 ? ' [options]' : ''}\n\`\`\`\n`,
  ];
  if (spec.arguments.length > 0) {
    const rows = spec.arguments.map((one) => `| \`${one.name}\` | ${toCell(one.summary)}${toChoices(one.choices)} |`);
    parts.push(`| argument | meaning |\n|---|---|\n${rows.join('\n')}\n`);
  }
  if (options.length > 0) parts.push(toOptionTable(options));
  if (spec.examples.length > 0) {
    const lines = spec.examples.map((example) => `# ${example.summary}\n${example.command}`);
    parts.push(`\`\`\`sh\n${lines.join('\n')}\n\`\`\`\n`);
  }
  return parts.join('\n');
}

function toOptionTable(options: readonly OptionSpec[]): string {
  const rows = options.map((option) => {
    const fallback = option.defaultText === null ? '' : ` (default: ${option.defaultText})`;
    const choices = toChoices(option.value?.choices ?? []);
    const required = option.isRequired ? ' (required)' : '';
    return `| \`${toCell(option.flags)}\` | ${toCell(option.summary + choices + fallback + required)} |`;
  });
  return `| option | meaning |\n|---|---|\n${rows.join('\n')}\n`;
}

function toChoices(choices: readonly string[]): string {
  return choices.length === 0 ? '' : ` (${choices.join(', ')})`;
}

/** The anchor that Markdown gives a heading. */
export function toAnchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

function toSentence(text: string): string {
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}
