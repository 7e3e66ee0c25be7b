/** A sample network as it is given to one recipient of many: marked, with the payload, its neurons in the recipient's order. */
import { join, resolve } from 'node:path';
import { openModelPath } from '../../src/formats/index.ts';
import {
  applyTensorEdits,
  createModelSpec,
  listTensorShapes,
  type ModelName,
  type NetworkSpec,
  openNetwork,
  readWeights,
  type Weights,
} from '../../src/lab/index.ts';
import type { Model } from '../../src/model/types.ts';
import {
  createOrderEdits,
  deriveRecipientKeys,
  embedMark,
  embedPayload,
  invertPlaces,
  type OrderPlan,
  PAYLOAD_TAU_SHARE,
  planOrder,
  type RecipientKeys,
  toOriginalDigest,
  toPlaces,
  toRecipientOrderKey,
} from '../../src/watermark/index.ts';

const samples = resolve(import.meta.dirname, '../../samples');
/** Of the bench; random bytes in the product. */
const OWN_SEED = new Uint8Array(32).fill(1);
const RECIPIENT_SEED = new Uint8Array(32).fill(2);

export interface RecipientCopy {
  readonly spec: NetworkSpec;
  readonly original: Model;
  readonly mark: ReturnType<typeof embedMark>;
  readonly keys: RecipientKeys;
  readonly plan: OrderPlan;
  /** Mark and payload, in the original's order. */
  readonly unmoved: Weights;
  readonly copy: Weights;
  /** `copy` with its neurons put back. */
  readonly undone: Weights;
}

export function makeRecipientCopy(name: ModelName, number: number): RecipientCopy {
  const spec = createModelSpec(name);
  const file = openModelPath(join(samples, `${name}.onnx`));
  const stored = readWeights(file);
  file.close();
  // In the order of the network, and nothing else: what attacks read.
  const weights = new Map([...listTensorShapes(spec).keys()].map((tensor) => [tensor, stored.get(tensor)!]));
  const original = openNetwork(spec, weights);
  const originalDigest = toOriginalDigest(original);
  const mark = embedMark({ model: original, ownSeed: OWN_SEED, ownerId: 'bench', originalDigest });
  const keys = deriveRecipientKeys(RECIPIENT_SEED, originalDigest);
  const marked = applyTensorEdits(weights, mark.edits);
  const byName = new Map(mark.topology.layers.map((layer) => [layer.name, layer]));
  const payload = embedPayload({
    ...{ model: openNetwork(spec, marked), keys, number, calibration: null },
    layers: mark.record.perLayer.map((layer) => byName.get(layer.name)!),
    tau: mark.record.tau * PAYLOAD_TAU_SHARE,
  });
  const unmoved = applyTensorEdits(marked, payload.edits);
  const plan = planOrder(openNetwork(spec, unmoved), mark.topology);
  const key = toRecipientOrderKey(keys.order, number);
  const places = new Map(plan.coded.map((space) => [space.space, toPlaces(key, space)]));
  const copy = applyTensorEdits(unmoved, createOrderEdits(plan.parts, places));
  const back = new Map([...places].map(([space, there]) => [space, invertPlaces(there)]));
  const { parts } = planOrder(openNetwork(spec, copy), mark.topology);
  const undone = applyTensorEdits(copy, createOrderEdits(parts, back));
  return { spec, original, mark, keys, plan, unmoved, copy, undone };
}
