/** Runs mutants through a reader and keeps what happened: every outcome is a model or a coded error. */
import { expect } from 'vitest';
import { ERRORS, ModelwardError, SourceError } from '../../src/core/errors.ts';
import { openModel } from '../../src/formats/registry.ts';
import { openBufferSource } from '../../src/source/buffer.ts';
import { findContainedParts } from '../../src/source/names.ts';
import type { SourceFolder } from '../../src/source/ports.ts';
import { runPlan } from './models.ts';
import type { Mutant } from './mutate-onnx.ts';
import { toFile } from './mutate-safetensors.ts';
import { type Rng, toRng } from './random.ts';

export interface MutationReport {
  readonly histogram: ReadonlyMap<string, number>;
  readonly framed: number;
  /** CPU time, which a busy machine does not stretch; nothing here waits. */
  readonly slowestMs: number;
  readonly rssGrowthMib: number;
}

const shard = (name: string): Uint8Array =>
  toFile(Buffer.from(`{"${name}":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`), new Uint8Array(8));

const FILES: ReadonlyMap<string, Uint8Array> = new Map([
  ['w.bin', new Uint8Array(64)],
  ['s1.safetensors', shard('a')],
  ['s2.safetensors', shard('b')],
]);

const folder: SourceFolder = {
  label: 'memory',
  open(name) {
    if (findContainedParts(name) === undefined) throw new SourceError('SOURCE_OUTSIDE_FOLDER');
    const bytes = FILES.get(name);
    if (bytes === undefined) throw new SourceError('SOURCE_NOT_FOUND');
    return openBufferSource(name, bytes);
  },
};

/** "ok", or the code. Whatever is no coded error goes through, and fails the test with the mutant's number. */
function judge(name: string, bytes: Uint8Array): string {
  try {
    const model = openModel({ source: openBufferSource(name, bytes), name, folder });
    for (const text of model.metadata.values()) if (typeof text !== 'string') throw new Error('metadata is no text');
    for (const tensor of model.tensors) tensor.read(0, new Uint8Array(Math.min(tensor.byteLength, 65_536)));
    if (Buffer.compare(runPlan(model.plan([])), bytes) !== 0) throw new Error('a plan without edits changed bytes');
    model.plan(
      model.tensors
        .filter(({ dtype }) => dtype !== 'string')
        .slice(0, 1)
        .map(({ name: tensor }) => ({ kind: 'tensor', tensor, apply: (_, chunk) => void chunk.fill(1) })),
    );
    return 'ok';
  } catch (error) {
    if (!(error instanceof ModelwardError)) throw error;
    const isReader = /^(?:SAFETENSORS|ONNX|GGUF|TFLITE|PYTORCH)_/.test(error.code);
    if (isReader && typeof error.fields.offset !== 'number') throw new Error(`${error.code} names no offset`);
    return error.code;
  }
}

/** Opens `count` mutants; `toName` picks the file name, and with it the reader. */
export function runMutations(options: {
  readonly seed: number;
  readonly count: number;
  readonly mutate: (rng: Rng) => Mutant & { readonly name: string };
}): MutationReport {
  const histogram = new Map<string, number>();
  const rssBefore = process.memoryUsage.rss();
  let [framed, slowestMs, rssMax] = [0, 0, rssBefore];
  for (let i = 0; i < options.count; i++) {
    const mutant = options.mutate(toRng(options.seed * 1_000_003 + i));
    const start = process.cpuUsage();
    let outcome: string;
    try {
      outcome = judge(mutant.name, mutant.bytes);
    } catch (cause) {
      throw new Error(`mutant ${i} of seed ${options.seed}: ${String(cause)}`, { cause });
    }
    const used = process.cpuUsage(start);
    slowestMs = Math.max(slowestMs, (used.user + used.system) / 1000);
    histogram.set(outcome, (histogram.get(outcome) ?? 0) + 1);
    if (mutant.framed) framed++;
    if (i % 100 === 0) rssMax = Math.max(rssMax, process.memoryUsage.rss());
  }
  const sorted = new Map([...histogram].sort((a, b) => b[1] - a[1]));
  return { histogram: sorted, framed, slowestMs, rssGrowthMib: (rssMax - rssBefore) / 2 ** 20 };
}

/** Codes that only a reader of that prefix throws. */
export function listReaderCodes(prefix: string): string[] {
  return Object.keys(ERRORS).filter((code) => code.startsWith(prefix));
}

/** What both the quick and the long run demand. */
export function assertSound(report: MutationReport, count: number): void {
  expect(report.framed).toBeGreaterThan(count / 2);
  // The bar of the robustness promise, hundreds of times what a mutant takes: a hang, not a slow machine.
  expect(report.slowestMs).toBeLessThan(2000);
  expect(report.rssGrowthMib).toBeLessThan(300);
}

export function printReport(title: string, report: MutationReport): void {
  const rows = [...report.histogram].map(([code, count]) => `  ${String(count).padStart(7)} ${code}`);
  const worst = `slowest ${report.slowestMs.toFixed(0)} ms, RSS +${report.rssGrowthMib.toFixed(0)} MiB`;
  process.stdout.write(`${title}: ${report.framed} well framed, ${worst}\n${rows.join('\n')}\n`);
}
