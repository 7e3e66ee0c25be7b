/** What the codes of a copy show, in words: for `detect` and `recipients verify`. */
import type { RecipientReport } from '../../../workflows/recipients/identify.ts';

const ORDER_WORDS: Readonly<Record<RecipientReport['orderState'], string>> = {
  recipient: "in the recipient's order",
  original: 'in the order of the original',
  reshuffled: 'reshuffled',
  unread: 'not read',
};

/** The order of the neurons, and the payload where there is one. */
export function toCodePairs({
  order,
  payload,
  orderState,
}: Pick<RecipientReport, 'order' | 'payload' | 'orderState'>): [string, string][] {
  const agreements = order === null ? '' : `, ${order.agreements} of ${order.channels} where the key puts them`;
  const neurons: [string, string] = ['neurons', `${ORDER_WORDS[orderState]}${agreements}`];
  if (payload === null) return [neurons];
  const words = payload.decoded ? 'identifier decoded' : 'identifier not decoded';
  return [neurons, ['payload', `${words}, ${payload.tagErrors} of ${payload.tagBits} bits wrong`]];
}
