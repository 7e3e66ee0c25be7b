/** What in a copy names its recipient. */

/** both: order and payload. order: of the neurons alone, lossless. payload: in the weights alone, for models without one. */
export const RECIPIENT_CODES = ['both', 'order', 'payload'] as const;
export type RecipientCode = (typeof RECIPIENT_CODES)[number];
