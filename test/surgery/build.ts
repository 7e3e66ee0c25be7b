/** Small graphs from plain records, through the verbs themselves. */
import { readGraphDocument } from '../../src/formats/index.ts';
import type { GraphDocument } from '../../src/model/document.ts';
import type { Model } from '../../src/model/types.ts';
import { editGraph, type NodeJson, type TensorJson, type ValueJson } from '../../src/surgery/index.ts';
import * as P from '../formats/proto.ts';
import { modelOf, open, reopen } from './graphs.ts';

export interface Recipe {
  readonly inputs?: readonly ValueJson[];
  readonly outputs: readonly (string | ValueJson)[];
  readonly nodes: readonly NodeJson[];
  readonly initializers?: Readonly<Record<string, TensorJson>>;
  readonly opset?: number;
  readonly ir?: number;
}

/** A model of the recipe, opened from the bytes that an edit wrote. */
export function build({ inputs = [], outputs, nodes, initializers = {}, opset = 18, ir = 8 }: Recipe): Model {
  const empty = open(modelOf({ ir, opsets: { '': opset } }, P.str(2, 'graph')));
  return reopen(
    editGraph(empty, (tx) => {
      for (const input of inputs) tx.addInput(input);
      for (const [name, tensor] of Object.entries(initializers)) tx.addInitializer(name, tensor);
      tx.addNodes(nodes);
      for (const output of outputs) {
        if (typeof output === 'string') tx.addOutput(output, { dtype: null });
        else tx.addOutput(output.name, { dtype: output.dtype ?? null, shape: output.shape ?? null });
      }
    }),
  );
}

export const toDocument = (recipe: Recipe): GraphDocument => readGraphDocument(build(recipe));

export const i64 = (...values: number[]): TensorJson => ({ dtype: 'i64', shape: [values.length], values });
export const f32 = (shape: readonly number[], ...values: number[]): TensorJson => ({ dtype: 'f32', shape, values });

/** A node in one line: op, inputs, outputs, attributes. */
export function node(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: NodeJson['attributes'] = {},
): NodeJson {
  return { op, inputs, outputs, attributes };
}
