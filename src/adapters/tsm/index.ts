/** Evidence of the machine that this runs on, from Linux configfs-tsm. */
export { createTsmSource } from './report-source.ts';
