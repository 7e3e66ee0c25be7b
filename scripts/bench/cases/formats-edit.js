/** `formats-edit.js PATH OUT`: edits one tensor and one metadata entry, and writes the whole model to the folder OUT. */
import { openModelPath, writeModel } from '../../../dist/formats/index.js';
import { nodeStorage, stageFolder } from '../../../dist/source/index.js';

const [, , path, out] = process.argv;
const model = openModelPath(path);
const tensor = model.tensors[Math.floor(model.tensors.length / 2)];
const double = (_, chunk) => {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  for (let at = 0; at < chunk.length; at += 4) view.setFloat32(at, view.getFloat32(at, true) + 1, true);
};
const plan = model.plan([
  { kind: 'tensor', tensor: tensor.name, apply: double },
  { kind: 'metadata', key: 'note', value: 'edited' },
]);
const staged = stageFolder({ storage: nodeStorage, target: out });
writeModel(plan, staged);
staged.commit();
model.close();

const edited = openModelPath(`${out}/${plan.files[0].name}`);
const word = new Uint8Array(4);
edited.tensors[Math.floor(edited.tensors.length / 2)].read(0, word);
const isRight = new DataView(word.buffer).getFloat32(0, true) === 1 && edited.metadata.get('note') === 'edited';
console.log(JSON.stringify({ isRight, bytes: edited.files[0].source.size }));
