/** The Profiler port on onnxruntime-node: its profile goes to a folder of its own, which is removed. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RuntimeError } from '../../core/errors.ts';
import { FIDELITY_LIMITS } from '../../core/limits/fidelity.ts';
import type {
  NodeTiming,
  Profile,
  ProfileOptions,
  Profiler,
  RuntimeModel,
  RuntimeTensor,
} from '../../model/runtime.ts';
import { loadSession, type OrtModule } from './session.ts';
import { switchTelemetryOff } from './telemetry.ts';

/** A variable, so that the compiler does not look for the types of a package that may be absent. */
const PACKAGE = 'onnxruntime-node' as string;

/** @throws RuntimeError RUNTIME_PROFILE_UNAVAILABLE when the native runtime cannot be loaded; RUNTIME_TELEMETRY_ON */
export async function openProfiler(): Promise<Profiler> {
  switchTelemetryOff();
  let ort: OrtModule;
  try {
    ort = (await import(PACKAGE)) as OrtModule;
  } catch {
    throw refuse('onnxruntime-node cannot be loaded');
  }
  ort.env.logLevel = 'fatal';
  return { profile: (model, feeds, options) => profileWith(ort, model, feeds, options) };
}

async function profileWith(
  ort: OrtModule,
  model: RuntimeModel,
  feeds: ReadonlyMap<string, RuntimeTensor>,
  { runs, isOptimized }: ProfileOptions,
): Promise<Profile> {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-profile-'));
  try {
    const options = { provider: 'cpu', threads: 1, profilePrefix: join(folder, 'profile'), isOptimized } as const;
    const session = await loadSession(ort, model, options);
    try {
      for (let run = 0; run <= runs; run++) await session.run(feeds);
    } finally {
      // The engine writes the profile when its session ends.
      await session.release();
    }
    return { version: ort.env.versions.node ?? 'unknown', ...toProfile(readEvents(folder)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  /** Begin and length, µs. */
  readonly ts: number;
  readonly dur: number;
  readonly op: string;
}

/** The only file of the folder. */
function readEvents(folder: string): readonly ProfileEvent[] {
  const name = readdirSync(folder).at(0);
  if (name === undefined) throw refuse('the runtime wrote no profile');
  const path = join(folder, name);
  if (statSync(path).size > FIDELITY_LIMITS.profileBytesMax) throw refuse('the profile is too large');
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    throw refuse('the profile is no JSON');
  }
  if (!Array.isArray(parsed)) throw refuse('the profile is no list');
  return parsed.flatMap(toEvent);
}

function toEvent(value: unknown): ProfileEvent[] {
  if (typeof value !== 'object' || value === null) return [];
  const { cat, name, ts, dur, args } = value as Readonly<Record<string, unknown>>;
  const isEvent = typeof cat === 'string' && typeof name === 'string' && Number.isFinite(ts) && Number.isFinite(dur);
  if (!isEvent) return [];
  const op = (args as { readonly op_name?: unknown } | null | undefined)?.op_name;
  return [{ cat, name, ts: ts as number, dur: dur as number, op: typeof op === 'string' ? op : '' }];
}

const KERNEL_TIME = '_kernel_time';

/** Sums by node, without the first run. */
function toProfile(events: readonly ProfileEvent[]): Omit<Profile, 'version'> {
  const runs = events.filter(({ cat, name }) => cat === 'Session' && name === 'model_run').sort((a, b) => a.ts - b.ts);
  if (runs.length < 2) throw refuse('the profile has no runs');
  const [first, ...measured] = runs;
  const nodes = new Map<string, NodeTiming>();
  for (const { cat, name, ts, dur, op } of events) {
    if (cat !== 'Node' || !name.endsWith(KERNEL_TIME) || ts < first.ts + first.dur) continue;
    const key = `${op}\n${name}`;
    const known = nodes.get(key) ?? { name: name.slice(0, -KERNEL_TIME.length), op, count: 0, totalUs: 0 };
    nodes.set(key, { ...known, count: known.count + 1, totalUs: known.totalUs + dur });
  }
  return {
    runs: measured.length,
    totalUs: measured.reduce((sum, { dur }) => sum + dur, 0),
    nodes: [...nodes.values()].sort((a, b) => b.totalUs - a.totalUs),
  };
}

function refuse(reason: string): RuntimeError {
  return new RuntimeError('RUNTIME_PROFILE_UNAVAILABLE', { fields: { reason } });
}
