/** Small files of the output folder: written whole, and named as they will be called after the commit. */
import { join } from 'node:path';
import { toHex, utf8 } from '../../core/bytes.ts';
import { type Json, toCanonicalJson } from '../../core/canonical-json.ts';
import { sha256 } from '../../core/hash.ts';
import type { StagedFolder } from '../../source/index.ts';
import { toRewriteSize } from '../../source/rewrite.ts';
import { toHashingSink } from '../digests.ts';
import type { FileRecord } from './options.ts';
import type { Protection } from './protection.ts';

/** Writes one small file into the staged folder and says what it will be called. */
export function writeStaged(
  { options }: Pick<Protection, 'options'>,
  staged: StagedFolder,
  file: { readonly name: string; readonly bytes: Uint8Array },
): FileRecord {
  staged.write(file.name, 0o644, (sink) => {
    sink.write(file.bytes);
  });
  return { path: join(options.out, file.name), sha256: toHex(sha256(file.bytes)), sizeBytes: file.bytes.length };
}

/** Canonical JSON with a final newline. */
export function toJsonFile(value: Json): Uint8Array {
  return utf8(`${toCanonicalJson(value)}\n`);
}

/** Streams the marked files into the staged folder, each hashed on the way. */
export function writeMarked({ plan, names, options, services }: Protection, staged: StagedFolder): FileRecord[] {
  const { progress } = services;
  return plan.files.map(({ ops }, index) => {
    const name = names.marked[index];
    const file = staged.file(name, 0o644);
    const tap = toHashingSink();
    const onBytes = (count: number): void => {
      progress.advance(count);
    };
    progress.step(`write ${name}`, toRewriteSize(ops), 'bytes');
    file.rewrite(ops, { tap, onBytes });
    progress.done();
    file.close();
    return { path: join(options.out, name), sha256: tap.sha256(), sizeBytes: tap.sizeBytes() };
  });
}
