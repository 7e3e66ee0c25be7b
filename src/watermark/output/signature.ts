/** A further output that always says the same: a licence statement, a UUID, a checksum. */
import type { Transaction } from '../../surgery/index.ts';
import { findPayload, type Payload, toPayloadFrame } from '../payload.ts';
import { MarkBuilder, type MarkId } from './builder.ts';
import { findRecorded, type Recording, toNumbers } from './values.ts';

export interface SignatureParams {
  /** Name of the output. */
  readonly output: string;
}

/** The frame of the payload as bytes (u8), whatever the inputs are. @throws SurgeryError SURGERY_NAME_TAKEN */
export function addSignature(tx: Transaction, id: MarkId, { output }: SignatureParams, payload: Payload): void {
  const builder = new MarkBuilder(tx, id);
  const data = toPayloadFrame(payload);
  const constant = builder.constant('frame', { dtype: 'u8', shape: [data.length], data });
  builder.addOutput(
    { output, use: 'signature' },
    { op: 'Identity', inputs: [constant] },
    { dtype: 'u8', shape: [data.length] },
  );
}

/** @throws WatermarkError WATERMARK_RECORDING_MALFORMED */
export function readSignature(recording: Recording, { output }: SignatureParams): Payload | undefined {
  return findPayload(Uint8Array.from(toNumbers(findRecorded(recording, output))));
}
