/** A model cut in two at a random place and merged again: what it computes must stay. */
import type { Runtime, RuntimeTensor } from '../../src/model/runtime.ts';
import type { Model } from '../../src/model/types.ts';
import { editGraph, openEdited, toModelBytes } from '../../src/surgery/index.ts';
import { openBytes } from '../formats/models.ts';
import type { Rng } from '../formats/random.ts';
import { isClose, type RunnableCase } from './metamorphic.ts';

const PREFIX = 'behind/';

/** The first `count` nodes of the main graph and the others, each as a model of its own, and both merged again. */
function recompose(model: Model, count: number): Uint8Array {
  const [front, back] = [
    [0, count],
    [count, Infinity],
  ].map(([from, to]) =>
    openEdited(
      editGraph(model, (tx) => {
        tx.extractNodes(tx.scope().nodes.slice(from, to));
      }),
    ),
  );
  const merged = editGraph(
    front,
    (tx) => {
      const { inputs, outputs } = tx.scope();
      const known = new Set([...inputs, ...outputs].map(({ name }) => name));
      const shared = back.graph!.inputs.filter(({ name }) => known.has(name));
      const connect = Object.fromEntries(shared.map(({ name }) => [name, name]));
      tx.merge('back', { prefix: PREFIX, connect, keepOutputs: true });
      const wanted = new Set(model.graph!.outputs.map(({ name }) => name));
      for (const { name } of outputs) if (!wanted.has(name)) tx.deleteOutput(name);
    },
    { models: { back } },
  );
  return toModelBytes(merged);
}

/** Undefined when the model cut behind one of its nodes and merged again gives the same; else what went wrong. */
export async function findCutDifference(runtime: Runtime, of: RunnableCase, rng: Rng): Promise<string | undefined> {
  const model = openBytes(of.model, 'model.onnx');
  const { nodes } = model.graph!;
  const count = 1 + rng.int(nodes.length - 1);
  try {
    const session = await runtime.load({ main: recompose(model, count), external: [] });
    try {
      const fed = await listFed(runtime, of);
      const feeds = new Map(session.inputs.map(({ name }) => [name, fed.get(toFirstName(name))!]));
      const results = await session.run(feeds);
      const byName = new Map([...results].map(([name, value]) => [toFirstName(name), value]));
      const outputs = model.graph!.outputs.map(({ name }) => byName.get(name)!);
      return isClose(of.outputs, outputs) ? undefined : `other outputs, cut behind ${count} of ${nodes.length} nodes`;
    } finally {
      await session.release();
    }
  } catch (error) {
    const { code, fields, message } = error as { code?: string; fields?: unknown; message: string };
    return `${code ?? message} ${JSON.stringify(fields)}`;
  }
}

const toFirstName = (name: string): string => (name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name);

/** The inputs of a case by name: the runtime knows which of them are fed. */
async function listFed(runtime: Runtime, of: RunnableCase): Promise<ReadonlyMap<string, RuntimeTensor>> {
  const session = await runtime.load({ main: of.model, external: [] });
  const names = session.inputs.map(({ name }) => name);
  await session.release();
  return new Map(of.inputs.map((tensor, at) => [names[at], tensor]));
}
