/** `surgery-small.js PATH OUT`: loads, edits, validates and saves one model many times; times of the runs after warm-up. */
import { openModelPath } from '../../../dist/formats/index.js';
import { applyRewrite, nodeStorage, stageFile } from '../../../dist/source/index.js';
import { editGraph, validateGraph } from '../../../dist/surgery/index.js';

const WARM_UP = 60;
const RUNS = 60;
const [, , path, out] = process.argv;

function run() {
  const model = openModelPath(path);
  const edit = editGraph(model, (tx) => {
    const node = tx.find({ op: 'Conv' })[5];
    tx.insertAfter(node.outputs[0], { op: 'Identity' });
  });
  if (validateGraph(model).count !== 0) throw new Error('not valid');
  const staged = stageFile({ storage: nodeStorage, path: out, mode: 0o644, replace: true });
  applyRewrite(edit.toRewrite().files[0].ops, staged);
  staged.commit();
  model.close();
}

const times = [];
for (let i = 0; i < WARM_UP + RUNS; i++) {
  const startMs = performance.now();
  run();
  if (i >= WARM_UP) times.push(performance.now() - startMs);
}
times.sort((a, b) => a - b);
const edited = openModelPath(out);
const isRight = edited.graph.nodes.filter(({ op }) => op === 'Identity').length === 1;
console.log(JSON.stringify({ isRight, medianMs: times[RUNS / 2], bestMs: times[0], nodes: edited.graph.nodes.length }));
