/** Keyed probes: inputs from the key, the owner's answers to them, and how often strangers agree. */
export { findArgMax } from './answers.ts';
export { CHANCE_MIN, KINSHIP_MIN, toAgreementRate, toChance, toKinship } from './chance.ts';
export { chooseFamily, FAMILY_TRIALS } from './choose-family.ts';
export { PROBE_FAMILIES, type ProbeFamily } from './families.ts';
export { deriveProbeKey, makeProbe } from './inputs.ts';
export { assertMakeable, type ProbeInputPlan, type ProbePlan, type TensorPlan, type TextPlan } from './plan.ts';
export { planModelProbes, type PlanOptions, toFeed, toRowAnswers } from './plan-model.ts';
export { type NullAnswers, type ProbeJudge, toProbeQuestions } from './questions.ts';
export {
  assertProbeRecord,
  createProbeRecord,
  openProbePool,
  pickAnswers,
  type ProbePool,
  type ProbeRecord,
} from './record.ts';
export { chooseRare, RARE_NULLS_MIN, type RareProbes } from './select.ts';
