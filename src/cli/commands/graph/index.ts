/** `modelward graph`: surgery on the graph of an ONNX model, verb by verb, or a recorded plan over many models. */
import type { Command } from 'commander';
import type { CommandHost } from '../../context.ts';
import { addApply } from './apply.ts';
import { addEdits } from './edits.ts';
import { addFold } from './fold.ts';
import { addInfer } from './infer.ts';
import { addLooks } from './looks.ts';
import { addNew } from './new.ts';
import { addOptimize } from './optimize.ts';

export function addGraph(program: Command, host: CommandHost): void {
  const graph = program
    .command('graph')
    .summary('find, insert, replace, remove, rename and edit nodes, values and tensors of a graph')
    .description(
      'Surgery on the graph of an ONNX model. Bytes that an edit does not touch stay as they are; the result is checked; an edit that would break the graph writes nothing. Every edit can be kept as a plan and replayed.',
    );
  addNew(graph, host);
  addLooks(graph, host);
  addInfer(graph, host);
  addEdits(graph, host);
  addFold(graph, host);
  addOptimize(graph, host);
  addApply(graph, host);
}
