/** Keyed probes and checks of models behind end points. */
export type { MadeProbes } from './made-probes.ts';
export { makeProbes, type MakeProbesOptions } from './make-probes.ts';
export { makeTextProbes, type MakeTextProbesOptions } from './make-text-probes.ts';
export { QUESTION_TYPES, type QuestionType } from './question-sets.ts';
export { type RemoteReport, type Target, verifyRemote, type VerifyRemoteOptions } from './verify-remote.ts';
