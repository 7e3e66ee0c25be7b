/** Marks of answers: made for each answer, checked by whoever got it. */
export { type InBandCheck, verifyInBand } from './in-band.ts';
export type { CheckedMark, CheckKeys, IntegrityCode, IntegrityFinding, IntegrityReport } from './report.ts';
export { type AnswerSealerOptions, createAnswerSealer } from './sealer.ts';
export { type AskedRequest, type ReceivedAnswer, type ResponseCheck, verifyResponse } from './verify.ts';
