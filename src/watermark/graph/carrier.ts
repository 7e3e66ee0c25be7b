/** What every place for a label in the graph answers to, and the names that its parts have. */
import type { Model } from '../../model/types.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import { findPayload, type Payload, toBase64Url, toPayloadFrame } from '../payload.ts';

export interface LabelCarrier {
  /** The files with the label; an older one of the same kind must be gone before. @throws WatermarkError | SurgeryError */
  write(model: Model, payload: Payload): RewritePlan;
  /** The intact payload, or undefined. */
  find(model: Model): Payload | undefined;
  /** The files without the label, whole or damaged; null when nothing is there. @throws SurgeryError */
  remove(model: Model): RewritePlan | null;
}

/** Begins the name of every node that a label is made of; then follow index, "/" and a piece of the frame. */
export const LABEL_PREFIX = 'modelward.label/';
/** Characters of the frame in one name: longer ones are cut by viewers. */
const PIECE_CHARS = 120;

/** The frame of a payload in pieces that names can hold. */
export function toNamePieces(payload: Payload): string[] {
  return toBase64Url(toPayloadFrame(payload)).match(new RegExp(`.{1,${PIECE_CHARS}}`, 'g')) ?? [];
}

/** @param use which carrier, so that two of them do not read each other */
export function toPieceName(use: string, index: number, piece: string): string {
  return `${LABEL_PREFIX}${use}/${index}/${piece}`;
}

/** The payload that the names spell, in whatever order they stand. */
export function findNamedPayload(use: string, names: Iterable<string>): Payload | undefined {
  const pieces: string[] = [];
  for (const name of names) {
    const match = new RegExp(`^${LABEL_PREFIX}${use}/(\\d{1,6})/([\\w-]+)$`).exec(name);
    if (match !== null && Number(match[1]) < 20_000) pieces[Number(match[1])] = match[2];
  }
  return findPayload(Buffer.from(pieces.join(''), 'base64url'));
}
