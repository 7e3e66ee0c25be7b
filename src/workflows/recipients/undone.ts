/** Reads a suspect without the original: each recipient's order is undone in turn, and the own mark read in what comes out (docs/spec/recipient-code.md §8). */
import { zeroize } from '../../core/bytes.ts';
import { ModelwardError } from '../../core/errors.ts';
import { WATERMARK_LIMITS } from '../../core/limits/watermark.ts';
import type { Model } from '../../model/types.ts';
import { ownerSeedBox } from '../../sign/index.ts';
import { listMarkedLayers, openOwnSeed } from '../../watermark/claim.ts';
import { detectMark, type DetectResult } from '../../watermark/detect.ts';
import {
  createUndo,
  measurePayloadInOrder,
  type PayloadReading,
  readPayload,
  type RecipientKeys,
} from '../../watermark/recipient/index.ts';
import { openPlannedModel } from '../protect/virtual-model.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import type { RecipientGroup } from './groups.ts';

export interface UndoneReading {
  /** Whose order, undone, shows most of the own mark. */
  readonly number: number;
  /** The own mark read so, every recipient counted as a trial. */
  readonly own: DetectResult;
  /** The payload read so, against this recipient alone, every recipient counted as a trial; null without one. */
  readonly payload: PayloadReading | null;
}

/**
 * Null when no copy has an order, the suspect's tensors are not those of the original by name, its format cannot be written,
 * or the readings would take too long.
 * @throws FormatError | SourceError from the readers
 */
export function readUndone(
  services: Services,
  session: Session,
  given: { readonly suspect: Model; readonly group: RecipientGroup; readonly keys: RecipientKeys },
): UndoneReading | null {
  const { suspect, group, keys } = given;
  const { claim } = group.claim;
  const coded = group.entries[0].body.order?.spaces;
  const weights = Math.min(claim.commitment.preimage.params.weights, WATERMARK_LIMITS.sampleWeightsMax);
  if (coded === undefined || weights * group.entries.length > WATERMARK_LIMITS.undoneWeightsMax) return null;
  const undo = createUndo(suspect, claim.topology, coded, keys.order);
  if (undo === null) return null;
  const names = suspect.files.map(({ name }) => name);
  const open = (number: number): Model => openPlannedModel(undo(number), names);
  const seedBox = ownerSeedBox({ secrets: session.owner.secrets, random: services.random });
  const ownSeed = openOwnSeed(claim, seedBox);
  try {
    const readings = group.entries.map(({ body }) => ({
      number: body.number,
      own: detectMark({ suspect: open(body.number), claim, ownSeed, readings: 'first' }),
    }));
    const best = readings.reduce((a, b) => (b.own.evidenceBits > a.own.evidenceBits ? b : a));
    const entry = group.entries.find(({ body }) => body.number === best.number);
    const measured = !entry?.body.payload
      ? null
      : measurePayloadInOrder(listMarkedLayers(claim), keys.positions, open(best.number));
    const price = Math.log2(group.entries.length);
    const payload = measured === null ? null : readPayload(measured, keys, [best.number]);
    return {
      ...best,
      payload: payload && { ...payload, evidenceBits: Math.max(0, payload.evidenceBits - price) },
    };
  } catch (error) {
    // A format that can be read and not written has no copy to read.
    if (error instanceof ModelwardError && error.code === 'FORMAT_READ_ONLY') return null;
    throw error;
  } finally {
    zeroize(ownSeed);
  }
}
