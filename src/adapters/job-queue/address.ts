/** The address of the queue's server, with the queue's own errors. */
import { QueueError } from '../../core/errors.ts';
import { parsePostgresAddress, type PostgresAddress } from '../../postgres/index.ts';

export type QueueAddress = PostgresAddress;

/**
 * As {@link parsePostgresAddress}.
 * @throws QueueError QUEUE_URL_MALFORMED | QUEUE_PASSWORD_EXPOSED
 */
export function parseQueueAddress(text: string, options: { readonly isPasswordAllowed: boolean }): QueueAddress {
  return parsePostgresAddress(text, {
    ...options,
    toError: (fault) =>
      fault.kind === 'exposed'
        ? new QueueError('QUEUE_PASSWORD_EXPOSED')
        : new QueueError('QUEUE_URL_MALFORMED', { fields: { at: fault.at } }),
  });
}
