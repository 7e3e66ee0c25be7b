/** A planned model in memory, for a runtime. */
import { RuntimeError } from '../../core/errors.ts';
import { SURGERY_LIMITS } from '../../core/limits/surgery.ts';
import type { RuntimeModel } from '../../model/runtime.ts';
import { readRewrite, type RewritePlan, toRewriteSize } from '../../source/rewrite.ts';

/** Bytes of all files of a plan. */
export function toPlanBytes(plan: RewritePlan): number {
  return plan.files.reduce((sum, { ops }) => sum + toRewriteSize(ops), 0);
}

/** @throws RuntimeError RUNTIME_MODEL_TOO_LARGE; SourceError */
export function toRuntimeModel(plan: RewritePlan): RuntimeModel {
  const bytes = toPlanBytes(plan);
  if (bytes > SURGERY_LIMITS.runBytesMax) {
    throw new RuntimeError('RUNTIME_MODEL_TOO_LARGE', { fields: { bytes, limit: SURGERY_LIMITS.runBytesMax } });
  }
  const [main, ...rest] = plan.files;
  return { main: readRewrite(main), external: rest.map((file) => ({ path: file.name, data: readRewrite(file) })) };
}
