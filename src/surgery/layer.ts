/** Nodes written as calls: inputs by name or as tensors, outputs with names of their own, so that layers chain. */
import type { AttributeJson, TensorJson } from './draft/json.ts';
import type { Transaction } from './transaction.ts';

export interface Layer {
  readonly op: string;
  readonly domain?: string;
  /** Names of values, "" for an omitted one; a tensor becomes a constant. */
  readonly inputs?: readonly (string | TensorJson)[];
  /** Wanted names of the outputs: taken as they are when free, else with a number. One named after the operator when absent. */
  readonly outputs?: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeJson>>;
  /** Path of a subgraph or function; the main graph when absent. */
  readonly scope?: string;
}

/**
 * Adds a node behind all that makes its inputs. Tensors among the inputs become initializers, and Constant nodes in
 * subgraphs and functions.
 * @returns names of the outputs, for the next layer
 * @throws SurgeryError as `addNodes` and `addInitializer`
 */
export function addLayer(tx: Transaction, layer: Layer): readonly string[] {
  const { op, domain, inputs = [], outputs = [`${op}_out`], attributes = {}, scope = '' } = layer;
  const names = inputs.map((input) => (typeof input === 'string' ? input : addConstant(tx, input, layer)));
  const made = outputs.map((wanted) => (wanted === '' || isAwaited(tx, scope, wanted) ? wanted : tx.fresh(wanted)));
  const node = {
    op,
    name: tx.fresh(op),
    inputs: names,
    outputs: made,
    attributes,
    ...(domain !== undefined && { domain }),
  };
  tx.addNodes([node], { scope });
  return made;
}

/** True for an output of the scope that nothing makes yet: that of a function is there before its body. */
function isAwaited(tx: Transaction, scope: string, name: string): boolean {
  const { inputs, outputs } = tx.scope(scope);
  const isNamed = (list: readonly { readonly name: string }[]): boolean => list.some((value) => value.name === name);
  return isNamed(outputs) && !isNamed(inputs) && tx.producer({ scope, value: name }) === undefined;
}

function addConstant(tx: Transaction, tensor: TensorJson, { op, scope = '' }: Layer): string {
  const name = tx.fresh(`${op}_constant`);
  if (scope === '') tx.addInitializer(name, tensor);
  else {
    const attributes = { value: { tensor } };
    tx.addNodes([{ op: 'Constant', name: tx.fresh('Constant'), inputs: [], outputs: [name], attributes }], { scope });
  }
  return name;
}
