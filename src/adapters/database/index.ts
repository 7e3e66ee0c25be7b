/** SQL databases: an embedded file, or a PostgreSQL server of several machines. */
export { type DatabaseAddress, parseDatabaseAddress } from './address.ts';
export { openDatabase, type OpenDatabaseOptions } from './open.ts';
