/** Which kind of triggers a model takes. */
import { openPlainModel } from '../open-model.ts';
import { findDecoder } from './decoder/runnable.ts';

/** A decoder takes token ids and gives scores of tokens; so does a checkpoint, whose graph comes apart. */
export function findTriggerKind(path: string, dataRoot?: string): 'decoder' | 'classifier' {
  const model = openPlainModel(path, dataRoot);
  try {
    return model.graph === null || findDecoder(model) !== null ? 'decoder' : 'classifier';
  } finally {
    model.close();
  }
}
