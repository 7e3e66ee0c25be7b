/** What went wrong with the database, as coded errors that hold no more than the server's name and a reason code. */
import { ModelwardError, QueueError } from '../../core/errors.ts';
import { classifyFailure } from '../../postgres/index.ts';

const CODES = {
  unreachable: 'QUEUE_UNREACHABLE',
  login: 'QUEUE_LOGIN_REFUSED',
  tls: 'QUEUE_TLS_FAILED',
  refused: 'QUEUE_REFUSED',
} as const;

/** @param server for the message, such as "db.example:5432" */
export function toQueueError(error: unknown, server: string): ModelwardError {
  if (error instanceof ModelwardError) return error;
  const { kind, reason } = classifyFailure(error);
  // The cause may quote rows or the statement; it is kept for debuggers and never printed.
  return new QueueError(CODES[kind], { fields: { server, ...(reason === '' ? {} : { reason }) }, cause: error });
}
