/** Writes a rewritten model as one file, or as a folder when it has several. */
import { join } from 'node:path';
import { writeModel } from '../formats/index.ts';
import { stageFile, stageFolder } from '../source/index.ts';
import { applyRewrite, type RewritePlan, toRewriteSize } from '../source/rewrite.ts';
import { toHashingSink } from './digests.ts';
import type { Services } from './services.ts';
import { makeParent } from './write-bytes.ts';

/** What writing needs of the services. */
export type WriteServices = Pick<Services, 'storage' | 'progress'>;

export interface WriteCopyOptions {
  /** Absolute path of the copy: a file, or a folder for a model of several files. */
  readonly out: string;
  /** Replace what lies there. */
  readonly force: boolean;
}

export interface WrittenCopy {
  readonly path: string;
  /** Null for a model of several files. */
  readonly sha256: string | null;
}

/** The old state or the new one is at `out` at any moment. @throws SourceError WRITE_EXISTS | WRITE_FAILED */
export function writeCopy(services: WriteServices, options: WriteCopyOptions, plan: RewritePlan): WrittenCopy {
  return plan.files.length === 1 ? writeFile(services, options, plan) : writeFolder(services, options, plan);
}

function writeFile(
  { storage, progress }: WriteServices,
  { out, force }: WriteCopyOptions,
  plan: RewritePlan,
): WrittenCopy {
  makeParent(storage, out);
  const staged = stageFile({ storage, path: out, mode: 0o644, replace: force });
  try {
    const [{ ops }] = plan.files;
    progress.step('write', toRewriteSize(ops), 'bytes');
    const sink = toHashingSink(staged);
    applyRewrite(ops, sink, (count) => {
      progress.advance(count);
    });
    staged.commit();
    progress.done();
    return { path: out, sha256: sink.sha256() };
  } catch (error) {
    staged.abort();
    throw error;
  }
}

function writeFolder(
  { storage, progress }: WriteServices,
  { out, force }: WriteCopyOptions,
  plan: RewritePlan,
): WrittenCopy {
  const staged = stageFolder({ storage, target: out, replace: force });
  try {
    writeModel(plan, staged, progress);
    staged.commit();
    return { path: join(out, plan.files[0].name), sha256: null };
  } catch (error) {
    staged.abort();
    throw error;
  }
}
