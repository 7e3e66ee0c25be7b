/** How PostgreSQL servers are addressed, secured, and what their failures mean: for every adapter that speaks to one. */
export { type AddressFault, parsePostgresAddress, type PostgresAddress, toServerName } from './address.ts';
export { classifyFailure, type PostgresFailure, wasRolledBack } from './failures.ts';
export { findPassword, PASSFILE_CHARS_MAX } from './passfile.ts';
export { readTls } from './tls.ts';
