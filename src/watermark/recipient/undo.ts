/** Puts a suspect's neurons back as if it came from one recipient's copy: readable without the original (docs/spec/recipient-code.md §8). */
import type { Topology } from '../../align/index.ts';
import type { Model } from '../../model/types.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import {
  type CodedSpace,
  createOrderEdits,
  invertPlaces,
  planOrder,
  toPlaces,
  toRecipientOrderKey,
} from '../order/index.ts';

/**
 * A function from a recipient's number to the suspect in the original's order, if it is that recipient's copy; null when
 * the suspect's tensors are not those of the topology.
 * @param orderKey 32 bytes
 */
export function createUndo(
  suspect: Model,
  topology: Topology,
  coded: readonly CodedSpace[],
  orderKey: Uint8Array,
): ((number: number) => RewritePlan) | null {
  const { parts } = planOrder(suspect, topology);
  const names = new Set(suspect.tensors.map(({ name }) => name));
  const isWhole = topology.layers.every(({ name }) => names.has(name));
  if (!isWhole || parts.some(({ obstacle }) => obstacle !== null)) return null;
  return (number) => {
    const key = toRecipientOrderKey(orderKey, number);
    const places = new Map(coded.map((space) => [space.space, invertPlaces(toPlaces(key, space))]));
    return suspect.plan(createOrderEdits(parts, places));
  };
}
