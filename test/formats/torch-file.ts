/** A model's float32 weights as torch.save would write their state_dict. */
import type { Model } from '../../src/model/types.ts';
import * as K from './pickle.ts';
import { writeTorch } from './zip.ts';

export function toTorchFile(model: Model): Uint8Array {
  const storages: Record<string, Uint8Array> = {};
  const entries = model.tensors.flatMap(({ name, shape, elementCount, byteLength, dtype }, i) => {
    if (dtype !== 'f32') return [];
    const bytes = new Uint8Array(byteLength);
    model.tensors[i].read(0, bytes);
    storages[String(i)] = bytes;
    const stride = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
    return [K.text(name), K.tensor({ key: String(i), count: elementCount, size: shape, stride })];
  });
  return writeTorch(K.pickle(K.dict(...entries)), storages);
}
