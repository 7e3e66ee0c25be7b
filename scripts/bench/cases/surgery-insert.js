/** `surgery-insert.js PATH OUT`: inserts a node behind the first node of a model, and writes the file anew. */
import { openModelPath } from '../../../dist/formats/index.js';
import { applyRewrite, nodeStorage, stageFile } from '../../../dist/source/index.js';
import { editGraph } from '../../../dist/surgery/index.js';

const [, , path, out] = process.argv;
const model = openModelPath(path);
const [first] = model.graph.nodes;
const edit = editGraph(model, (tx) => {
  tx.insertAfter(first.outputs[0], { op: 'Identity' });
});
const staged = stageFile({ storage: nodeStorage, path: out, mode: 0o644, replace: false });
applyRewrite(edit.toRewrite().files[0].ops, staged);
staged.commit();
model.close();

const edited = openModelPath(out);
const [, node, next] = edited.graph.nodes;
const isRight =
  node.op === 'Identity' && next.inputs.includes(node.outputs[0]) && edited.tensors.length === model.tensors.length;
console.log(JSON.stringify({ isRight }));
