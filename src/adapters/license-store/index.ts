/** Registers of licences in SQL databases. */
export { takeOverEarlier } from './earlier-file.ts';
export { claimLog, countRegister, moveRegister, wasMovedTo } from './move.ts';
export { openSqlStore } from './sql-store.ts';
export { LICENSE_AREA, type RegisterTables } from './tables.ts';
