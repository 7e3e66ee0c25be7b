/** What went wrong with a PostgreSQL server, as one of a few kinds and a reason code that quotes nothing. */

export interface PostgresFailure {
  /** `unreachable` may pass by itself; `refused` does not: rights, a full disk's constraint, a statement. */
  readonly kind: 'unreachable' | 'login' | 'tls' | 'refused';
  /** SQLSTATE or a code of the system; '' when there is none. */
  readonly reason: string;
}

/** SQLSTATE of a failed login: invalid_authorization_specification, invalid_password. */
const LOGIN = '28';
/** Connection exceptions, rollbacks, insufficient resources, operator intervention: all of them pass. */
const PASSING = /^(08|40|53|57)/;

/** True when the server undid a statement for the sake of another one (deadlock, serialization): it can be tried again. */
export function wasRolledBack(error: unknown): boolean {
  return String((error as { code?: unknown }).code).startsWith('40');
}

/** @see https://www.postgresql.org/docs/15/errcodes-appendix.html */
export function classifyFailure(error: unknown): PostgresFailure {
  const { code, message, severity } = error as { code?: unknown; message?: unknown; severity?: unknown };
  const reason = typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code) ? code : '';
  const text = typeof message === 'string' ? message : '';
  if (severity !== undefined && reason.length === 5) return { kind: toSqlKind(reason), reason };
  // pg says by message alone that the server asks for a password and there is none.
  if (text.startsWith('SASL') || text.includes('password must be a string')) {
    return { kind: 'login', reason: 'PASSWORD_NEEDED' };
  }
  if (/CERT|TLS|SSL|SELF_SIGNED|ALTNAME/.test(reason)) return { kind: 'tls', reason };
  if (text.includes('does not support SSL')) return { kind: 'tls', reason: 'NOT_OFFERED' };
  return { kind: 'unreachable', reason };
}

function toSqlKind(state: string): PostgresFailure['kind'] {
  if (state.startsWith(LOGIN)) return 'login';
  return PASSING.test(state) ? 'unreachable' : 'refused';
}
