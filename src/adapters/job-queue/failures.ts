/** What went wrong with the database, as coded errors that hold no more than the server's name and a reason code. */
import { ModelwardError, QueueError } from '../../core/errors.ts';
import type { ErrorCode } from '../../core/errors.ts';

/** SQLSTATE of a failed login: invalid_authorization_specification, invalid_password. */
const LOGIN = '28';
/** Connection exceptions, rollbacks, insufficient resources, operator intervention: all of them pass. */
const PASSING = /^(08|40|53|57)/;

/** True when the server undid a statement for the sake of another one (deadlock, serialization): it can be tried again. */
export function wasRolledBack(error: unknown): boolean {
  return String((error as { code?: unknown }).code).startsWith('40');
}

/**
 * @param server for the message, such as "db.example:5432"
 * @see https://www.postgresql.org/docs/15/errcodes-appendix.html
 */
export function toQueueError(error: unknown, server: string): ModelwardError {
  if (error instanceof ModelwardError) return error;
  const { code, reason } = classify(error);
  // The cause may quote rows or the statement; it is kept for debuggers and never printed.
  return new QueueError(code, { fields: { server, ...(reason === '' ? {} : { reason }) }, cause: error });
}

function classify(error: unknown): { readonly code: ErrorCode; readonly reason: string } {
  const { code, message, severity } = error as { code?: unknown; message?: unknown; severity?: unknown };
  const reason = typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code) ? code : '';
  const text = typeof message === 'string' ? message : '';
  if (severity !== undefined && reason.length === 5) return { code: toSqlCode(reason), reason };
  // pg says by message alone that the server asks for a password and there is none.
  if (text.startsWith('SASL') || text.includes('password must be a string')) {
    return { code: 'QUEUE_LOGIN_REFUSED', reason: 'PASSWORD_NEEDED' };
  }
  if (/CERT|TLS|SSL|SELF_SIGNED|ALTNAME/.test(reason)) return { code: 'QUEUE_TLS_FAILED', reason };
  if (text.includes('does not support SSL')) return { code: 'QUEUE_TLS_FAILED', reason: 'NOT_OFFERED' };
  return { code: 'QUEUE_UNREACHABLE', reason };
}

function toSqlCode(state: string): ErrorCode {
  if (state.startsWith(LOGIN)) return 'QUEUE_LOGIN_REFUSED';
  return PASSING.test(state) ? 'QUEUE_UNREACHABLE' : 'QUEUE_REFUSED';
}
