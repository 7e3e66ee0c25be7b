/** Makes probes from the probe key: the only place where their inputs come from. */
import { toHex, utf8 } from '../../core/bytes.ts';
import { hkdfSha256, sha256 } from '../../core/hash.ts';
import { REMOTE_LIMITS } from '../../core/limits/remote.ts';
import { createPrfStream, type PrfStream } from '../../core/prf.ts';
import { encodeValues } from '../../fidelity/index.ts';
import { findElementCount } from '../../model/dtype.ts';
import type { Question, QuestionInput } from '../remote/questions.ts';
import { STREAM_DOMAIN } from '../seeds.ts';
import { fillPattern } from './families.ts';
import type { ProbeInputPlan, ProbePlan, TensorPlan } from './plan.ts';
import { PROBE_WORDS } from './words.ts';

/** Streams of one probe: one per input. */
const STREAMS_PER_PROBE = 256;

/**
 * K = HKDF-SHA-256(S_probe, salt originalDigest, info "wm/v1/key/probe/inputs").
 * @param subSeed S_probe, 32 bytes
 * @param originalDigest 32 bytes
 */
export function deriveProbeKey(subSeed: Uint8Array, originalDigest: Uint8Array): Uint8Array {
  if (subSeed.length !== 32 || originalDigest.length !== 32) throw new TypeError('sub-seed and digest have 32 bytes');
  return hkdfSha256(subSeed, originalDigest, 'wm/v1/key/probe/inputs', 32);
}

/** Probe `index`. @param key as `deriveProbeKey` */
export function makeProbe(key: Uint8Array, plan: ProbePlan, index: number): Question {
  if (plan.kind === 'text') {
    const stream = createPrfStream(key, { domain: STREAM_DOMAIN.probeText, index });
    const words = Array.from({ length: plan.words }, () => PROBE_WORDS[stream.below(PROBE_WORDS.length)]);
    return { kind: 'text', prompt: words.join(' ') };
  }
  const inputs = plan.inputs.map((input, position) =>
    makeInput(key, plan, input, index * STREAMS_PER_PROBE + position),
  );
  return { kind: 'tensors', inputs };
}

function makeInput(key: Uint8Array, plan: TensorPlan, input: ProbeInputPlan, stream: number): QuestionInput {
  const { name, dtype, shape, rule } = input;
  const values = new Float64Array(findElementCount(shape) ?? 0);
  const source = createPrfStream(key, { domain: STREAM_DOMAIN.probeInput, index: stream });
  fillInput(plan, input, source, values);
  if (rule.kind === 'pattern') {
    for (let i = 0; i < values.length; i++) values[i] = rule.low + (rule.high - rule.low) * values[i];
  }
  return { name, dtype, shape, data: encodeValues(dtype, values) };
}

function fillInput(plan: TensorPlan, { shape, rule }: ProbeInputPlan, source: PrfStream, values: Float64Array): void {
  if (rule.kind === 'constant') values.fill(rule.value);
  else if (rule.kind === 'below') for (let i = 0; i < values.length; i++) values[i] = source.below(rule.bound);
  else fillPattern(plan.family, shape, source, values);
}

/**
 * SHA-256 over the first probes: whoever records the answers to other inputs, or makes them in another way, is found out.
 * @returns hex
 */
export function toProbesDigest(key: Uint8Array, plan: ProbePlan, count: number): string {
  const parts: Uint8Array[] = [];
  for (let index = 0; index < Math.min(count, REMOTE_LIMITS.digestedQuestions); index++) {
    const probe = makeProbe(key, plan, index);
    if (probe.kind === 'text') parts.push(sha256(utf8(probe.prompt)));
    if (probe.kind === 'tensors') for (const { data } of probe.inputs) parts.push(sha256(data));
  }
  return toHex(sha256(...parts));
}
