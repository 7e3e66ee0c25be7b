/** `modelward graph`: surgery on the graph of an ONNX model, verb by verb, or a recorded plan over many models. */
import type { Command } from 'commander';
import { addCommands, type CommandRow } from '../../command-table.ts';
import type { CommandHost } from '../../context.ts';
import { VERB_ROWS, type VerbRow } from './verbs/index.ts';

const LOOKS: readonly CommandRow[] = [
  {
    name: 'find',
    summary: 'list nodes by operator, name, or what they read and make',
    load: async () => (await import('./looks.ts')).defineFind,
  },
  {
    name: 'explain',
    summary: 'show one node: what feeds it, and what it feeds',
    load: async () => (await import('./looks.ts')).defineExplain,
  },
  {
    name: 'validate',
    summary: 'check a graph: names, order, scopes, functions, operator sets',
    load: async () => (await import('./looks.ts')).defineValidate,
  },
  {
    name: 'infer',
    summary: 'infer element types and shapes of all values, and find what contradicts itself',
    load: async () => (await import('./infer.ts')).defineInfer,
  },
];

const toEditCommand = (row: VerbRow): CommandRow => ({
  name: row.name,
  summary: row.summary,
  load: async () => (await import('./edits.ts')).toEditDefinition(row),
});

const COMMANDS: readonly CommandRow[] = [
  {
    name: 'new',
    summary: 'make an ONNX model from nothing, or from a plan',
    load: async () => (await import('./new.ts')).defineNew,
  },
  ...LOOKS,
  ...VERB_ROWS.map(toEditCommand),
  {
    name: 'fold',
    summary: 'replace nodes that always give the same by constants',
    load: async () => (await import('./fold.ts')).defineFold,
  },
  {
    name: 'optimize',
    summary: 'fold, clean up, fuse batch norms, deduplicate, cast to fp16; before and after measured',
    load: async () => (await import('./optimize.ts')).defineOptimize,
  },
  {
    name: 'apply',
    summary: 'replay a plan over models; what an earlier run finished is kept',
    load: async () => (await import('./apply.ts')).defineApply,
  },
];

export function defineGraph(graph: Command, host: CommandHost): void {
  graph.description(
    'Surgery on the graph of an ONNX model. Bytes that an edit does not touch stay as they are; the result is checked; an edit that would break the graph writes nothing. Every edit can be kept as a plan and replayed.',
  );
  addCommands(graph, COMMANDS, host);
}
