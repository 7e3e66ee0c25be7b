/** One version of a model at work: requests wait for a free instance, and those that wait together share a run. */
import { GatewayError, ModelwardError } from '../../core/errors.ts';
import type { RuntimeSession } from '../../model/runtime.ts';
import type { CancelSignal, ModelSignature, NamedTensor, ServedModel } from '../ports.ts';
import { findRows, hasBatchAxis, isAlike, joinInputs, splitOutputs, toNamed } from './batch.ts';
import { isRowwise } from './rowwise.ts';

/** Loads the model once more, in a thread or process of its own. */
export type OpenInstance = () => Promise<RuntimeSession>;

export interface ServedModelOptions {
  readonly name: string;
  readonly version: string;
  readonly signature: ModelSignature;
  readonly open: OpenInstance;
  /** Runs at a time. */
  readonly instances: number;
  /** Rows of a shared run; 1 for none. Runs are shared only where rows were seen not to touch one another. */
  readonly batchRowsMax: number;
  /** Requests that wait at a time; further ones are refused. */
  readonly queueMax: number;
  /** A run that takes longer costs its instance, and its requests. */
  readonly runTimeoutMs: number;
  /** Calls `work` once the requests that came together have been read. */
  readonly defer: (work: () => void) => void;
  /** Calls `work` after so long, unless it is taken back. */
  readonly after: (ms: number, work: () => void) => () => void;
  /** Told the code when an instance failed, before another takes its place. */
  readonly onTrouble: (code: string) => void;
  /** Told of each run before it begins: how many requests share it, and their rows. */
  readonly onRun?: (run: { readonly requests: number; readonly rows: number }) => void;
}

export interface OpenedModel extends ServedModel {
  /** Whether requests share runs. */
  readonly isBatched: boolean;
  /** Requests that wait or run. */
  readonly load: number;
  /** Takes no more, lets what was taken end, and ends all instances. */
  close(): Promise<void>;
}

interface Waiting {
  readonly inputs: readonly NamedTensor[];
  readonly rows: number;
  readonly signal: CancelSignal;
  readonly resolve: (outputs: readonly NamedTensor[]) => void;
  readonly reject: (error: Error) => void;
}

const REOPEN = { firstMs: 100, maxMs: 30_000 } as const;

/** @throws RuntimeError RUNTIME_LOAD_FAILED and what else `open` throws, when the first instance cannot be loaded */
export async function openServedModel(options: ServedModelOptions): Promise<OpenedModel> {
  const opened: RuntimeSession[] = [];
  try {
    const first = await options.open();
    opened.push(first);
    const { signature } = options;
    const canShare = options.batchRowsMax > 1 && hasBatchAxis(signature);
    const isBatched = canShare && (await isRowwise(first, signature));
    const rest = await Promise.allSettled(Array.from({ length: options.instances - 1 }, () => options.open()));
    for (const one of rest) if (one.status === 'fulfilled') opened.push(one.value);
    const failed = rest.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return serve(options, isBatched, opened);
  } catch (error) {
    await Promise.allSettled(opened.map((instance) => instance.release()));
    throw error;
  }
}

function serve(options: ServedModelOptions, isBatched: boolean, opened: readonly RuntimeSession[]): OpenedModel {
  const { name, version, signature, queueMax, defer } = options;
  const waiting: Waiting[] = [];
  let running = 0;
  let isFlushPlanned = false;
  let isClosing = false;
  let onEmpty: (() => void) | undefined;

  const flush = (): void => {
    isFlushPlanned = false;
    while (waiting.length > 0 && crew.idle.length > 0) {
      const batch = takeBatch(waiting, isBatched ? options.batchRowsMax : 1);
      if (batch.length > 0) void work(crew.idle.pop()!, batch);
    }
    if (waiting.length === 0 && running === 0) onEmpty?.();
  };
  const crew = createCrew(options, opened, flush);
  const work = async (instance: RuntimeSession, batch: readonly Waiting[]): Promise<void> => {
    running += batch.length;
    const isFit = await runBatch(options, instance, batch);
    running -= batch.length;
    if (isFit) crew.idle.push(instance);
    else crew.replace(instance);
    if (crew.size === 0) for (const { reject } of waiting.splice(0)) reject(unavailable());
    flush();
  };
  return {
    ...{ name, version, signature, isBatched },
    get isReady() {
      return crew.size > 0 && !isClosing;
    },
    get load() {
      return waiting.length + running;
    },
    run: (inputs, signal) => {
      if (isClosing || crew.size === 0) return Promise.reject(unavailable());
      if (waiting.length >= queueMax) return Promise.reject(new GatewayError('GATEWAY_OVERLOADED'));
      return new Promise((resolve, reject) => {
        waiting.push({ inputs, rows: findRows(inputs, isBatched), signal, resolve, reject });
        if (isFlushPlanned) return;
        isFlushPlanned = true;
        defer(flush);
      });
    },
    close: async () => {
      isClosing = true;
      await new Promise<void>((done) => {
        onEmpty = done;
        flush();
      });
      await crew.close();
    },
  };
}

/** The instances of a model: one that failed is replaced, for as long as it takes. */
function createCrew(options: ServedModelOptions, opened: readonly RuntimeSession[], onNew: () => void) {
  const idle = [...opened];
  const alive = new Set(opened);
  /** Take back what is to be tried again later: it would hold the process after its end. */
  const later = new Set<() => void>();
  let isClosing = false;

  const join = (instance: RuntimeSession): void => {
    if (isClosing) {
      void instance.release().catch(() => undefined);
      return;
    }
    alive.add(instance);
    idle.push(instance);
    onNew();
  };
  const reopen = (waitMs: number): void => {
    if (isClosing) return;
    options.open().then(join, (error: unknown) => {
      options.onTrouble(toCode(error));
      if (isClosing) return;
      const takeBack = options.after(waitMs, () => {
        later.delete(takeBack);
        reopen(Math.min(REOPEN.maxMs, 2 * waitMs));
      });
      later.add(takeBack);
    });
  };
  return {
    idle,
    get size() {
      return alive.size;
    },
    replace: (instance: RuntimeSession): void => {
      alive.delete(instance);
      void instance.release().catch(() => undefined);
      reopen(REOPEN.firstMs);
    },
    close: async (): Promise<void> => {
      isClosing = true;
      for (const takeBack of later) takeBack();
      await Promise.all([...alive].map((instance) => instance.release()));
    },
  };
}

function unavailable(): GatewayError {
  return new GatewayError('GATEWAY_MODEL_UNAVAILABLE');
}

/** The run had begun: its input may be why the instance is gone. */
function lost(): GatewayError {
  return new GatewayError('GATEWAY_MODEL_UNAVAILABLE', { fields: { reason: 'run' } });
}

/** Takes the oldest request, and those behind it that can share its run; drops those whose caller went away. */
function takeBatch(waiting: Waiting[], rowsMax: number): readonly Waiting[] {
  const batch: Waiting[] = [];
  let [rows, at] = [0, 0];
  for (; at < waiting.length; at++) {
    const next = waiting[at];
    if (next.signal.aborted) {
      next.reject(new GatewayError('GATEWAY_STREAM_CUT'));
      continue;
    }
    if (batch.length > 0 && (rows + next.rows > rowsMax || !isAlike(batch[0].inputs, next.inputs))) break;
    batch.push(next);
    rows += next.rows;
    if (rows >= rowsMax) {
      at++;
      break;
    }
  }
  waiting.splice(0, at);
  return batch;
}

/** Settles every request of the batch. Returns whether the instance can be used again. */
async function runBatch(
  options: ServedModelOptions,
  instance: RuntimeSession,
  batch: readonly Waiting[],
): Promise<boolean> {
  options.onRun?.({ requests: batch.length, rows: batch.reduce((sum, { rows }) => sum + rows, 0) });
  try {
    const outputs = await runInTime(options, instance, batch);
    const split =
      batch.length === 1
        ? [toNamed(outputs)]
        : splitOutputs(
            outputs,
            batch.map(({ rows }) => rows),
          );
    if (split === null) throw new GatewayError('GATEWAY_ANSWER_SHAPE');
    for (let at = 0; at < batch.length; at++) batch[at].resolve(split[at]);
    return true;
  } catch (error) {
    const isInput = isInputsFault(error);
    if (isInput && batch.length > 1) return await runEach(options, instance, batch);
    if (!isInput) options.onTrouble(toCode(error));
    for (const { reject } of batch) reject(isInput ? new GatewayError('GATEWAY_MODEL_FAILED') : lost());
    return isInput;
  }
}

/** One of several inputs failed the run: each gets a run of its own, so that it fails alone. */
async function runEach(
  options: ServedModelOptions,
  instance: RuntimeSession,
  batch: readonly Waiting[],
): Promise<boolean> {
  let isFit = true;
  for (const one of batch) {
    if (isFit) isFit = await runBatch(options, instance, [one]);
    else one.reject(unavailable());
  }
  return isFit;
}

/** Whether the run failed by what went in, and the engine is as it was. */
function isInputsFault(error: unknown): boolean {
  const code = toCode(error);
  return code === 'RUNTIME_RUN_FAILED' || code === 'RUNTIME_DTYPE_UNSUPPORTED' || code === 'GATEWAY_ANSWER_SHAPE';
}

function toCode(error: unknown): string {
  return error instanceof ModelwardError ? error.code : 'UNKNOWN';
}

function runInTime(
  { runTimeoutMs, after }: ServedModelOptions,
  instance: RuntimeSession,
  batch: readonly Waiting[],
): ReturnType<RuntimeSession['run']> {
  return new Promise((resolve, reject) => {
    const forget = after(runTimeoutMs, () => {
      reject(new GatewayError('GATEWAY_MODEL_UNAVAILABLE', { fields: { timeoutMs: runTimeoutMs } }));
    });
    instance
      .run(joinInputs(batch.map(({ inputs }) => inputs)))
      .then(resolve, reject)
      .finally(forget);
  });
}
