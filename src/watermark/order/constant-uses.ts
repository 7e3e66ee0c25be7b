/** Which operators a stored constant ends up in, so that one that serves two is never moved for one of them (docs/spec/recipient-code.md §3.2). */
import type { Graph, GraphNode, Model } from '../../model/types.ts';

/** One operator input that a constant reaches. */
export interface ConstantUse {
  readonly node: GraphNode;
  readonly input: number;
}

export interface ConstantUses {
  /** Operators that read the constant itself. */
  direct(name: string): readonly ConstantUse[];
  /** Operators that read it as it is, behind casts, dequantisation, transposes and reshapes. */
  final(name: string): readonly ConstantUse[];
}

const VIEWS: ReadonlySet<string> = new Set([
  ...['Identity', 'Cast', 'QuantizeLinear', 'DequantizeLinear', 'Transpose', 'Reshape'],
  ...['CAST', 'QUANTIZE', 'DEQUANTIZE', 'TRANSPOSE', 'RESHAPE'],
]);

/** As many views as are followed when weights are looked for. */
const STEPS_MAX = 8;

/** A use that is no operator of the model: a graph output. */
const OUTPUT: ConstantUse = {
  node: { name: '', op: '', domain: '', inputs: [], outputs: [], attributes: new Map() },
  input: 0,
};

/** Uses in all scopes of a model: the same name in an inner scope counts as a use, which is on the safe side. */
export function listConstantUses(model: Pick<Model, 'graph' | 'functions'>): ConstantUses {
  const uses = new Map<string, ConstantUse[]>();
  const add = (name: string, use: ConstantUse): void => {
    const known = uses.get(name);
    if (known === undefined) uses.set(name, [use]);
    else known.push(use);
  };
  const walk = (graph: Graph): void => {
    for (const node of graph.nodes) {
      node.inputs.forEach((name, input) => {
        if (name !== '') add(name, { node, input });
      });
      for (const attribute of node.attributes.values()) {
        if (attribute.kind === 'graph') walk(attribute.graph);
        else if (attribute.kind === 'graphs') attribute.graphs.forEach(walk);
      }
    }
    for (const { name } of graph.outputs) add(name, OUTPUT);
  };
  if (model.graph !== null) walk(model.graph);
  for (const graph of model.functions.values()) walk(graph);
  const direct = (name: string): readonly ConstantUse[] => uses.get(name) ?? [];
  const final = (name: string, steps = STEPS_MAX): readonly ConstantUse[] =>
    direct(name).flatMap((use) => {
      const isView = use.input === 0 && VIEWS.has(use.node.op) && steps > 0;
      return isView
        ? use.node.outputs.filter((output) => output !== '').flatMap((output) => final(output, steps - 1))
        : [use];
    });
  return { direct, final: (name) => final(name) };
}
