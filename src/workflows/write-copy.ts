/** Writes a rewritten model: as one file, as a folder when it has several, or in the place of the model itself. */
import { dirname, join } from 'node:path';
import { SourceError } from '../core/errors.ts';
import { writeModel } from '../formats/index.ts';
import { type ByteSource, stageFile, stageFolder } from '../source/index.ts';
import { isUnchanged } from '../source/patches.ts';
import { isAtPath } from '../source/plain-file.ts';
import { type FileRewrite, type RewriteOp, type RewritePlan, toRewriteSize } from '../source/rewrite.ts';
import { toHashingSink } from './digests.ts';
import type { Services } from './services.ts';
import { makeParent } from './write-bytes.ts';

/** What writing needs of the services. */
export type WriteServices = Pick<Services, 'storage' | 'progress'>;

export interface WriteCopyOptions {
  /** Absolute path of the copy: a file, or a folder for a model of several files. */
  readonly out: string;
  /** Replace what lies there. When it is the model itself, the one file that changes is replaced. */
  readonly force: boolean;
}

export interface WrittenCopy {
  readonly path: string;
  /** Null for a folder, and for an edit in place: hashing would take longer than all else, and read what is kept. */
  readonly sha256: string | null;
}

/**
 * The old state or the new one is at `out` at any moment, also when `out` is the model that the plan was made from.
 * @throws SourceError WRITE_EXISTS | WRITE_FAILED
 * @throws SourceError SOURCE_CHANGED when the model is no longer as it was opened; WRITE_SEVERAL_FILES when `out` is the
 *   model and more than one of its files would change
 */
export function writeCopy(services: WriteServices, options: WriteCopyOptions, plan: RewritePlan): WrittenCopy {
  const { out, force } = options;
  if (force && findSourceAt(plan.files[0].ops, out) !== undefined) return writeInPlace(services, out, plan);
  return plan.files.length === 1 ? writeFile(services, options, plan.files[0]) : writeFolder(services, options, plan);
}

/** The source, among those that `ops` take bytes of, whose file lies at `path`. */
function findSourceAt(ops: readonly RewriteOp[], path: string): ByteSource | undefined {
  const sources = new Set(ops.flatMap((op) => (op.kind === 'bytes' ? [] : [op.source])));
  return [...sources].find((source) => isAtPath(source, path));
}

/** One rename puts one file in place: of a model of several, the others must be unchanged. */
function writeInPlace(services: WriteServices, out: string, { files }: RewritePlan): WrittenCopy {
  const changed = files.filter(({ ops }) => !isUnchanged(ops));
  if (changed.length > 1) {
    throw new SourceError('WRITE_SEVERAL_FILES', { fields: { files: changed.map(({ name }) => name) } });
  }
  const file = changed.at(0) ?? files[0];
  const path = file === files[0] ? out : join(dirname(out), file.name);
  const edited = findSourceAt(file.ops, path);
  if (edited === undefined) throw new SourceError('SOURCE_CHANGED', { fields: { file: file.name } });
  return writeFile(services, { out: path, force: true, edited }, file);
}

function writeFile(
  { storage, progress }: WriteServices,
  { out, force, edited }: WriteCopyOptions & { readonly edited?: ByteSource },
  { ops }: FileRewrite,
): WrittenCopy {
  makeParent(storage, out);
  const replaced = edited === undefined ? {} : { edited };
  const staged = stageFile({ storage, path: out, mode: 0o644, replace: force, ...replaced });
  try {
    progress.step('write', toRewriteSize(ops), 'bytes');
    const tap = edited === undefined ? toHashingSink() : undefined;
    const onBytes = (count: number): void => {
      progress.advance(count);
    };
    staged.rewrite(ops, tap === undefined ? { onBytes } : { tap, onBytes });
    staged.commit();
    progress.done();
    return { path: out, sha256: tap?.sha256() ?? null };
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
