/** Asks an end point everything that is scheduled, within the budget, and keeps what came back (docs/spec/remote-check.md §5). */
import { utf8 } from '../../core/bytes.ts';
import { RemoteError } from '../../core/errors.ts';
import { REMOTE_LIMITS } from '../../core/limits/remote.ts';
import type { Clock, Pause, Progress, Random } from '../../core/ports.ts';
import { type FormatContext, parseReply, type Question, type RequestFormat } from '../../watermark/index.ts';
import type { Endpoint } from '../../watermark/ports.ts';
import { exchange, type Exchange, toJittered } from './exchange.ts';
import type { Outcome, StateFile } from './run-state.ts';
import type { Item } from './schedule.ts';

export interface ConversationOptions {
  readonly endpoint: Endpoint;
  readonly format: RequestFormat;
  readonly context: FormatContext;
  readonly schedule: readonly Item[];
  readonly toQuestion: (item: Item) => Question;
  readonly file: StateFile;
  readonly budget: number;
  /** Queries in one request; 1 where the format or the model takes no more. */
  readonly batch: number;
  /** Milliseconds between requests, on average. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly pause: Pause;
  readonly random: Random;
  readonly progress: Progress;
}

/** Milliseconds between two savings of the state, where there is no waiting. */
const SAVE_MS = 2000;

/**
 * Goes on where the state file is. When it returns, `state.done` is the end of the schedule or the budget is spent.
 * @throws RemoteError REMOTE_DENIED | REMOTE_REDIRECTED | REMOTE_TLS_REFUSED | REMOTE_UNUSABLE; REMOTE_UNREACHABLE |
 *   REMOTE_TIMEOUT when the end point is gone; the state is saved first, and the same call goes on later
 */
export async function converse(options: ConversationOptions): Promise<void> {
  const { schedule, file, progress, batch, clock, intervalMs } = options;
  const { state } = file;
  let savedMs = clock.nowMs();
  let failuresInRow = 0;
  progress.step('queries', schedule.length - state.done, 'items');
  try {
    while (state.done < schedule.length) {
      const items = schedule.slice(state.done, state.done + batch);
      const outcome = await ask(items, options);
      if (outcome.kind === 'budget') break;
      failuresInRow = outcome.kind === 'failed' ? failuresInRow + 1 : 0;
      if (outcome.kind === 'failed' && failuresInRow >= REMOTE_LIMITS.failuresInRowMax) throw outcome.error;
      keep(items, outcome, options);
      progress.advance(items.length);
      // Where requests are spaced, every one is kept: a killed run must not spend its last queries twice.
      if (intervalMs === 0 && clock.nowMs() - savedMs < SAVE_MS) continue;
      file.save();
      savedMs = clock.nowMs();
    }
  } catch (error) {
    // What nobody could read is asked again, in the right format.
    if (error instanceof RemoteError && error.code === 'REMOTE_UNUSABLE') file.remove();
    else file.save();
    throw error;
  }
  file.save();
  progress.done();
}

async function ask(items: readonly Item[], options: ConversationOptions): Promise<Exchange> {
  const { file, budget, format, context, toQuestion, pause, random, intervalMs } = options;
  const { state } = file;
  if (state.spent > 0 && intervalMs > 0) await pause(toJittered(intervalMs, random));
  const body = utf8(JSON.stringify(format.write(items.map(toQuestion), context)));
  if (body.length > REMOTE_LIMITS.requestBytesMax) {
    throw new RemoteError('REMOTE_FORMAT_UNFIT', {
      message: 'A request would be larger than servers take.',
      fields: { bytes: body.length, bytesMax: REMOTE_LIMITS.requestBytesMax },
    });
  }
  const spend = (): boolean => {
    if (state.spent + items.length > budget) return false;
    state.spent += items.length;
    return true;
  };
  return exchange(body, { endpoint: options.endpoint, pause, random, timeoutMs: options.timeoutMs, spend });
}

function keep(
  items: readonly Item[],
  outcome: Exclude<Exchange, { kind: 'budget' }>,
  { file, format, context, endpoint }: ConversationOptions,
): void {
  const { state } = file;
  const answers =
    outcome.kind === 'reply' ? format.read(parseReply(outcome.body), items.length, context) : items.map(() => null);
  const lack = outcome.kind === 'reply' ? 'malformed' : outcome.kind;
  for (const [at, item] of items.entries()) {
    if (item.kind !== 'question') continue;
    const answer = answers[at];
    state.outcomes.set(item.index, answer === null ? { lack } : { answer });
  }
  state.done += items.length;
  assertUsable([...state.outcomes.values()], endpoint.label);
}

/** Stops early, before the budget is spent on answers that nobody can read. */
function assertUsable(outcomes: readonly Outcome[], host: string): void {
  if (outcomes.length < REMOTE_LIMITS.unusableMax || outcomes.length > 2 * REMOTE_LIMITS.unusableMax) return;
  if (outcomes.some((outcome) => 'answer' in outcome)) return;
  throw new RemoteError('REMOTE_UNUSABLE', { fields: { host, answers: outcomes.length } });
}
