/** Rows of the log on their way to the database. */
export { leaveStream, openSpoolFolder } from './folder.ts';
