/** Models that the gateway holds itself: a tiny one, and one that takes a while. */
import { writeFileSync } from 'node:fs';
import { createRng } from '../../../src/lab/index.ts';
import { addLayer, createModel, editGraph, type TensorJson, toModelBytes } from '../../../src/surgery/index.ts';

function toWeight(rng: { gaussian(): number }, shape: readonly [number, number]): TensorJson {
  const [rows, columns] = shape;
  const values = Array.from({ length: rows * columns }, () => rng.gaussian() / Math.sqrt(rows));
  return { dtype: 'f32', shape: [rows, columns], values };
}

/** f32 [n, widths[0]] to f32 [n, widths.at(-1)], `relu` between. */
export function writePerceptron(path: string, widths: readonly number[]): void {
  const rng = createRng('bench/gateway');
  const edit = editGraph(createModel(), (tx) => {
    tx.addInput({ name: 'x', dtype: 'f32', shape: ['n', widths[0]] });
    let value = 'x';
    widths.slice(1).forEach((width, index) => {
      const isLast = index === widths.length - 2;
      const inputs = [value, toWeight(rng, [widths[index], width])];
      [value] = addLayer(tx, { op: 'MatMul', inputs, ...(isLast && { outputs: ['y'] }) });
      if (!isLast) [value] = addLayer(tx, { op: 'Relu', inputs: [value] });
    });
    tx.addOutput('y', { dtype: 'f32', shape: ['n', widths.at(-1)!] });
  });
  writeFileSync(path, toModelBytes(edit));
}
