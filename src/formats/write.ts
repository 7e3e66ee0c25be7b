/** Writing a rewrite plan into a staged folder. */
import { type Progress, silentProgress } from '../core/ports.ts';
import { type RewritePlan, toRewriteSize } from '../source/rewrite.ts';
import type { StagedFolder } from '../source/staging.ts';

/**
 * Writes every file of `plan` into `staged`, under the plan's names; the caller commits. Memory is one chunk.
 * @throws SourceError WRITE_OUTSIDE_FOLDER | WRITE_EXISTS | WRITE_FAILED, and read errors of the sources, SOURCE_CHANGED
 *   when one is no longer as it was opened
 */
export function writeModel(plan: RewritePlan, staged: StagedFolder, progress: Progress = silentProgress): void {
  const total = plan.files.reduce((sum, { ops }) => sum + toRewriteSize(ops), 0);
  progress.step('write', total, 'bytes');
  for (const { name, ops } of plan.files) {
    staged.write(name, 0o644, (sink) => {
      const onBytes = (count: number): void => {
        progress.advance(count);
      };
      sink.rewrite(ops, { onBytes });
    });
  }
  progress.done();
}
