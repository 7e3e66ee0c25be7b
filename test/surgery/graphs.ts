/** Small graphs for tests of surgery, and how to look at what an edit made of them. */
import { openBytes, runPlan } from '../formats/models.ts';
import * as P from '../formats/proto.ts';
import type { Graph, Model } from '../../src/model/types.ts';
import { editGraph, type GraphEdit, type Transaction } from '../../src/surgery/index.ts';

export const open = (bytes: Uint8Array): Model => openBytes(bytes, 'model.onnx');

/** The model that an edit writes. */
export function reopen(edit: GraphEdit): Model {
  return open(runPlan(edit.toRewrite()));
}

export function edited(bytes: Uint8Array, act: (tx: Transaction) => void): Model {
  return reopen(editGraph(open(bytes), act));
}

/** The main graph after an edit, as {@link toLines} shows it. */
export function toEditedLines(bytes: Uint8Array, act: (tx: Transaction) => unknown): string[] {
  return toLines(edited(bytes, (tx) => void act(tx)).graph);
}

/** One line for each node: "y = Add(a,b)". */
export function toLines(graph: Graph | null | undefined): string[] {
  return (graph?.nodes ?? []).map(({ op, inputs, outputs }) => `${outputs.join()} = ${op}(${inputs.join()})`);
}

/** ModelProto of another IR version and other imports than P.model has. */
export function modelOf(
  options: { readonly ir?: number; readonly opsets?: Readonly<Record<string, number>> },
  graph: P.Part,
  ...rest: readonly P.Part[]
): Uint8Array {
  const { ir = 8, opsets = { '': 18 } } = options;
  const imports = Object.entries(opsets).map(([domain, version]) =>
    P.len(8, ...(domain === '' ? [] : [P.str(1, domain)]), P.int(2, version)),
  );
  return P.join(P.int(1, ir), P.len(7, graph), ...imports, ...rest);
}

/** x → Relu a → r → Neg b → y. */
export const chain = (...more: readonly P.Part[]): Uint8Array =>
  P.model(
    P.join(
      P.node('Relu', ['x'], ['r'], P.str(3, 'a')),
      P.node('Neg', ['r'], ['y'], P.str(3, 'b')),
      P.input('x'),
      P.output('y'),
      ...more,
    ),
  );

const graphAttribute = (name: string, ...body: readonly P.Part[]): P.Part =>
  P.attribute(name, 5, P.len(6, P.str(2, name), ...body));

/** x → Relu → r; If(c) { t = Neg(r) } else { e = Abs(r) } → y. Both branches read r of the graph around them. */
export const branches = (): Uint8Array =>
  P.model(
    P.join(
      P.node('Relu', ['x'], ['r'], P.str(3, 'relu')),
      P.node(
        'If',
        ['c'],
        ['y'],
        P.str(3, 'if'),
        graphAttribute('then_branch', P.node('Neg', ['r'], ['t']), P.output('t')),
        graphAttribute('else_branch', P.node('Abs', ['r'], ['e']), P.output('e')),
      ),
      P.input('x'),
      P.input('c'),
      P.output('y'),
    ),
  );

/** A call of own::Twice, whose body is z = Add(a, a), and of own::Unused nobody. */
export const functions = (opset = 18): Uint8Array =>
  modelOf(
    { opsets: { '': 18, own: 1 } },
    P.join(P.node('Twice', ['x'], ['y'], P.str(7, 'own')), P.input('x'), P.output('y')),
    ...['Twice', 'Unused'].map((name) =>
      P.len(
        25,
        P.str(1, name),
        P.str(10, 'own'),
        P.str(4, 'a'),
        P.str(5, 'z'),
        P.node('Add', ['a', 'a'], ['z']).with(0, 0x3a),
        P.len(9, P.int(2, opset)),
      ),
    ),
  );
