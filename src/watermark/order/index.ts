/** The neuron-order code: one order of a model's neurons for each recipient, lossless (docs/spec/recipient-code.md). */
export { toCodedFault } from './coded-fault.ts';
export {
  type Agreement,
  ORDER_STATISTICS,
  toLog2OrderBound,
  toOrderEvidenceBits,
  toOrderRoomBits,
} from './evidence.ts';
export { type CodedSpace, invertPlaces, type Places, toPlaces, toRecipientOrderKey } from './places.ts';
export { type HeldSpace, type OrderPlan, planOrder } from './plan-order.ts';
export { toLikeness } from './likeness.ts';
export { createOrderEdits } from './move-edit.ts';
export {
  type OrderReading,
  readOrder,
  type SuspectOrder,
  toAgreements,
  toSuspectOrder,
  toTotal,
} from './read-order.ts';
