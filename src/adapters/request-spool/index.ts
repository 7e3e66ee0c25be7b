/** Rows of the log on their way to the database. */
export { openSpoolFolder } from './folder.ts';
