/** Options and words that several verbs take. */
import { CliError } from '../../../../core/errors.ts';
import type { NodeJson, WireNodeJson } from '../../../../surgery/index.ts';
import { toAttribute } from '../words.ts';
import type { VerbFlags, VerbInputs, VerbRow } from './types.ts';

export const WIRE: VerbRow['options'] = [
  ['--op <op>', 'operator of the new node'],
  ['--domain <domain>', 'domain of the operator (default: the standard one)'],
  ['--name <name>', 'name of the new node'],
  ['--attribute <name=value...>', 'attributes: alpha=0.5, axis=1, axes=[0,1], mode=linear'],
  ['--input <value...>', 'inputs of the new node, "-" being the wire (default: the wire alone)'],
  ['--output <name>', 'name of the value that the new node makes'],
];
export const WITH = [
  '--with <json>',
  'nodes as JSON, or a file of it: [{"op","inputs","outputs","attributes"}]',
] as const;
export const TENSOR = ['--tensor <file>', 'npy file, or JSON: {"dtype":"f32","shape":[2],"values":[1,2]}'] as const;
export const NODE = ['<node>', 'node, by its name or a value that it makes'] as const;
export const VALUE = ['<value>', 'name of a value'] as const;

export function need<T>(value: T | undefined, flag: string): T {
  if (value === undefined) throw new CliError('CLI_USAGE', { message: `${flag} is missing.` });
  return value;
}

export function toWireNode({ op, domain, name, attribute, input }: VerbFlags): WireNodeJson {
  return {
    op: need(op, '--op'),
    ...(domain !== undefined && { domain }),
    ...(name !== undefined && { name }),
    ...(input !== undefined && { inputs: input.map((word) => (word === '-' ? null : word)) }),
    ...(attribute !== undefined && { attributes: Object.fromEntries(attribute.map(toAttribute)) }),
  };
}

export const toOutput = ({ output }: VerbFlags): { output?: string } => (output === undefined ? {} : { output });

export function toNodes(flags: VerbFlags, inputs: VerbInputs): NodeJson[] {
  const json = inputs.json(need(flags.with, '--with'));
  return (Array.isArray(json) ? json : [json]) as NodeJson[];
}
