/** Replays one plan over many models: each by itself, finished ones kept, failed ones told, so that a re-run resumes. */
import { basename, join } from 'node:path';
import { ModelwardError } from '../../core/errors.ts';
import { parseEditPlan } from '../../surgery/index.ts';
import type { WriteServices } from '../write-copy.ts';
import { applyPlanToFile, type EditFileResult } from './edit-file.ts';

export interface FleetOptions {
  /** Absolute paths of the models. */
  readonly paths: readonly string[];
  /** Absolute path of the folder that gets one edited copy per model, under its own name. */
  readonly outFolder: string;
  /** JSON text of the plan. */
  readonly plan: string;
  /** Edit again what lies in the folder already. */
  readonly force: boolean;
  readonly dataRoot?: string | undefined;
}

export type FleetItem =
  | ({ readonly path: string; readonly outcome: 'edited' } & EditFileResult)
  /** An earlier run made it. */
  | { readonly path: string; readonly outcome: 'present'; readonly out: string }
  | { readonly path: string; readonly outcome: 'failed'; readonly code: string; readonly message: string };

/** How one model is edited: in this process, in a worker, or by a queue. Must not throw for a model's own faults. */
export type FleetRunner = (job: FleetJob) => Promise<FleetItem>;

export interface FleetJob {
  readonly path: string;
  readonly out: string;
  readonly plan: string;
  readonly force: boolean;
  readonly dataRoot?: string | undefined;
}

/**
 * Edits every model, `parallel` at a time; one that fails does not stop the others. The plan is checked before the first.
 * @returns one item per path, in their order
 * @throws SurgeryError SURGERY_PLAN_MALFORMED
 * @throws TypeError when two models would have the same name in the folder
 */
export async function applyPlanToFleet(
  services: WriteServices,
  options: FleetOptions,
  { run, parallel }: { readonly run: FleetRunner; readonly parallel: number },
): Promise<readonly FleetItem[]> {
  parseEditPlan(options.plan);
  const jobs = toFleetJobs(options);
  const items = new Array<FleetItem>(jobs.length);
  services.progress.step('edit', jobs.length, 'items');
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < jobs.length; index = next++) {
      const job = jobs[index];
      const isPresent = !job.force && services.storage.exists(job.out);
      items[index] = isPresent ? { path: job.path, outcome: 'present', out: job.out } : await run(job);
      services.progress.advance(1);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(parallel, jobs.length)) }, work));
  services.progress.done();
  return items;
}

/** One job per model. @throws TypeError when two models would have the same name in the folder */
export function toFleetJobs({ paths, outFolder, plan, force, dataRoot }: FleetOptions): FleetJob[] {
  const seen = new Map<string, string>();
  return paths.map((path) => {
    const out = join(outFolder, basename(path));
    const other = seen.get(out);
    if (other !== undefined) {
      throw new TypeError(`${other} and ${path} would both become ${basename(path)}: give them in two runs`);
    }
    seen.set(out, path);
    return { path, out, plan, force, dataRoot };
  });
}

/** Edits one model in this process. */
export function runFleetJob(services: WriteServices, { path, out, plan, force, dataRoot }: FleetJob): FleetItem {
  try {
    const result = applyPlanToFile(services, { path, out, planPath: null, force, dataRoot }, plan);
    return { path, outcome: 'edited', ...result };
  } catch (error) {
    if (!(error instanceof ModelwardError)) throw error;
    return { path, outcome: 'failed', code: error.code, message: error.message };
  }
}
