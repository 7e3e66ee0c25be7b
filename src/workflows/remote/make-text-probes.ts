/** Makes keyed probes for a language model behind an end point of ours: its first words after keyed prompts. */
import { utf8, zeroize } from '../../core/bytes.ts';
import { RemoteError } from '../../core/errors.ts';
import type { Pause } from '../../core/ports.ts';
import {
  type Answer,
  createProbeRecord,
  type FormatContext,
  makeProbe,
  type NullAnswers,
  parseReply,
  type TextPlan,
} from '../../watermark/index.ts';
import { readClaim } from '../claims.ts';
import type { Services } from '../services.ts';
import type { Session } from '../session.ts';
import { exchange } from './exchange.ts';
import { assertCount, chooseProbes, type MadeProbes, openProbeKey, recordProbes } from './made-probes.ts';
import type { Target } from './verify-remote.ts';

export interface MakeTextProbesOptions {
  /** Absolute path of the claim. */
  readonly claimPath: string;
  /** Our own end point. */
  readonly target: Target;
  /** End points of models that have nothing to do with ours, spoken to in the same format. */
  readonly nulls: readonly Target[];
  /** Probes that are asked later. */
  readonly count: number;
  /** Probes that all answer, and that they are chosen from; `count` or more. */
  readonly pool: number;
  readonly batch: number;
  readonly timeoutMs: number;
  readonly pause: Pause;
}

/** Words of a prompt: enough that no two are alike, and cheap to send. */
const PLAN: TextPlan = { kind: 'text', words: 8 };

/**
 * @throws RemoteError REMOTE_… for an end point that does not answer; PROBES_TOO_FEW; PROBES_MODEL_UNFIT when ours mostly gives no word;
 *   WatermarkError; SignError; LedgerError
 */
export async function makeTextProbes(
  services: Services,
  session: Session,
  options: MakeTextProbesOptions,
): Promise<MadeProbes> {
  const { claimPath, target, nulls, count } = options;
  assertCount(count);
  const { claim } = readClaim(services, claimPath);
  const key = openProbeKey(services, session, claim);
  try {
    const prompts = Array.from({ length: options.pool }, (_, index) => makeProbe(key, PLAN, index));
    const ask = (one: Target, step: string) => askText(services, { ...options, target: one, prompts, step });
    const ours = await ask(target, 'answers of our model');
    if (ours.filter((answer) => answer === null).length * 2 > ours.length) {
      throw new RemoteError('PROBES_MODEL_UNFIT', { fields: { fault: 'most answers have no word' } });
    }
    const strangers: NullAnswers[] = [];
    for (const [at, one] of nulls.entries()) {
      const answers = await ask(one, `null model ${at + 1} of ${nulls.length}`);
      strangers.push({ name: one.endpoint.label, digest: null, answers });
    }
    // An empty text agrees with no answer.
    const recorded = ours.map((answer): Answer => answer ?? '');
    const choice = chooseProbes(recorded, strangers, { count });
    const record = createProbeRecord({ key, plan: PLAN, modelDigest: null, ...choice });
    return await recordProbes(services, session, { claim, record, subject: target.endpoint.label });
  } finally {
    zeroize(key);
  }
}

interface AskTextOptions extends MakeTextProbesOptions {
  readonly prompts: readonly ReturnType<typeof makeProbe>[];
  readonly step: string;
}

async function askText({ progress, random }: Services, options: AskTextOptions): Promise<readonly (Answer | null)[]> {
  const { target, prompts, step, batch, timeoutMs, pause } = options;
  const { format, endpoint, labels, model, formatName } = target;
  if (format.kind !== 'text') throw new RemoteError('REMOTE_FORMAT_UNFIT', { fields: { format: formatName } });
  const context: FormatContext = { hasBatchAxis: false, classes: null, output: null, labels, model };
  const rows = format.isBatched ? batch : 1;
  const answers: (Answer | null)[] = [];
  progress.step(step, prompts.length, 'items');
  for (let start = 0; start < prompts.length; start += rows) {
    const some = prompts.slice(start, start + rows);
    const body = utf8(JSON.stringify(format.write(some, context)));
    const reply = await exchange(body, { endpoint, pause, random, timeoutMs, spend: () => true });
    if (reply.kind === 'failed') throw reply.error;
    answers.push(
      ...(reply.kind === 'reply' ? format.read(parseReply(reply.body), some.length, context) : some.map(() => null)),
    );
    progress.advance(some.length);
  }
  progress.done();
  return answers;
}
