/** A witness for ledgers, and the client of one. */
export { askWitness, type AskWitnessOptions, type GivenCosignature } from './client.ts';
export { addLog, createWitnessFolder, listLogs, readCosigner, type WitnessedLog, type WitnessPlace } from './folder.ts';
export { createWitnessHandler, type WitnessHandlerOptions } from './http.ts';
export { type AddCheckpoint, encodeAddCheckpoint, parseAddCheckpoint } from './request.ts';
export { findState, hasFork, type WitnessState } from './state.ts';
export { openWitness, type Witness, type WitnessAnswer, type WitnessOptions } from './witness.ts';
