/** Evidence of the machine or enclave that this runs in: Linux configfs-tsm, or Gramine. */
export { createGramineSource, isGramine } from './gramine-source.ts';
export { createTsmSource } from './report-source.ts';
