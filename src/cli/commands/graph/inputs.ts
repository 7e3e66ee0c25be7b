/** What flags of the verbs name: JSON given as text or in a file, and tensors from npy files. */
import { readNpyDType, readNpyValue } from '../../../fidelity/index.ts';
import { openFileSource } from '../../../source/index.ts';
import { pruneWeights, restoreWeights, stripWeights, type TensorJson } from '../../../surgery/index.ts';
import type { CliContext } from '../../context.ts';
import type { VerbInputs } from './verbs/index.ts';
import { toJson } from './words.ts';

export function createInputs(context: CliContext): VerbInputs {
  const json = (word: string): unknown => {
    const isText = word.startsWith('{') || word.startsWith('[');
    return toJson(
      isText ? word : Buffer.from(context.services.storage.read(context.toAbsolute(word))).toString('utf8'),
      word,
    );
  };
  return {
    json,
    tensor: (word) => {
      if (!word.endsWith('.npy')) return json(word) as TensorJson;
      const source = openFileSource(context.toAbsolute(word));
      const { dtype, shape, data } = readNpyValue(source, readNpyDType(source));
      return { dtype, shape, data };
    },
    weights: { prune: pruneWeights, restore: restoreWeights, strip: stripWeights },
  };
}
