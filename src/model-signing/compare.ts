/** What became of the files of a signed model: the same, changed, added, removed, renamed or swapped (OMS v1.0 section 8.4). */
import { MODEL_SIGNING_LIMITS } from '../core/limits/model-signing.ts';
import { type ModelManifest, type Resource, toPart } from './manifest.ts';
import { compareCodePoints } from './names.ts';

export type FileChange =
  /** Bytes differ; `ranges` are the shards that do, [start, end), and null where whole files were hashed. */
  | { readonly kind: 'changed'; readonly file: string; readonly ranges: readonly (readonly [number, number])[] | null }
  | { readonly kind: 'added' | 'removed'; readonly file: string }
  /** `file` is gone, and `to`, which was not signed, has its content. */
  | { readonly kind: 'renamed'; readonly file: string; readonly to: string }
  /** Each of the two has the content that was signed for the other. */
  | { readonly kind: 'swapped'; readonly file: string; readonly with: string };

export interface ContentReport {
  readonly verdict: 'unchanged' | 'changed';
  /** By name, the first thousand. */
  readonly changes: readonly FileChange[];
  readonly changesTotal: number;
  /** Files that the signature covers. */
  readonly files: number;
}

/** Digest by range of one file; the key is "start:end", "" where whole files were hashed. */
type Parts = ReadonlyMap<string, string>;

/** @param actual resources of the model at hand, hashed as the manifest says; files that were not signed may be left out */
export function compareContent(manifest: ModelManifest, actual: readonly Resource[]): ContentReport {
  const signed = toFiles(manifest, manifest.resources);
  const found = toFiles(manifest, actual);
  const removed = [...signed.keys()].filter((file) => !found.has(file));
  const added = [...found.keys()].filter((file) => !signed.has(file));
  const differing = [...signed.keys()].filter((file) => {
    const parts = found.get(file);
    return parts !== undefined && toContent(parts) !== toContent(signed.get(file)!);
  });
  const changes = [...toMoves({ signed, found, removed, added }), ...toEdits({ signed, found, differing })];
  changes.sort((a, b) => compareCodePoints(a.file, b.file));
  return {
    verdict: changes.length === 0 ? 'unchanged' : 'changed',
    changes: changes.slice(0, MODEL_SIGNING_LIMITS.changesListedMax),
    changesTotal: changes.length,
    files: signed.size,
  };
}

function toFiles(manifest: ModelManifest, resources: readonly Resource[]): ReadonlyMap<string, Parts> {
  const files = new Map<string, Map<string, string>>();
  for (const { name, digest } of resources) {
    const { file, start, end } = toPart(name, manifest.serialization);
    const parts = files.get(file) ?? new Map<string, string>();
    parts.set(end === null ? '' : `${start}:${end}`, digest);
    files.set(file, parts);
  }
  return files;
}

/** Equal for two files exactly when all their parts are. */
function toContent(parts: Parts): string {
  return [...parts]
    .map(([range, digest]) => `${range}=${digest}`)
    .sort()
    .join(',');
}

function toMoves(options: {
  readonly signed: ReadonlyMap<string, Parts>;
  readonly found: ReadonlyMap<string, Parts>;
  readonly removed: readonly string[];
  readonly added: readonly string[];
}): FileChange[] {
  const { signed, found, removed } = options;
  const free = new Map<string, string[]>();
  for (const file of options.added) {
    const content = toContent(found.get(file)!);
    free.set(content, [...(free.get(content) ?? []), file]);
  }
  const changes = removed.map((file): FileChange => {
    const to = free.get(toContent(signed.get(file)!))?.shift();
    return to === undefined ? { kind: 'removed', file } : { kind: 'renamed', file, to };
  });
  const rest = [...free.values()].flat();
  return [...changes, ...rest.map((file): FileChange => ({ kind: 'added', file }))];
}

function toEdits(options: {
  readonly signed: ReadonlyMap<string, Parts>;
  readonly found: ReadonlyMap<string, Parts>;
  readonly differing: readonly string[];
}): FileChange[] {
  const { signed, found, differing } = options;
  const holderOf = new Map(differing.map((file) => [toContent(found.get(file)!), file]));
  const swapped = new Map<string, string>();
  for (const file of differing) {
    const other = holderOf.get(toContent(signed.get(file)!));
    if (other === undefined || swapped.has(file) || swapped.has(other)) continue;
    if (toContent(signed.get(other)!) !== toContent(found.get(file)!)) continue;
    swapped.set(file, other);
    swapped.set(other, file);
  }
  return differing.flatMap((file): FileChange[] => {
    const other = swapped.get(file);
    if (other === undefined) return [{ kind: 'changed', file, ranges: toRanges(signed.get(file)!, found.get(file)!) }];
    return compareCodePoints(file, other) < 0 ? [{ kind: 'swapped', file, with: other }] : [];
  });
}

/** Ranges that were signed and differ, or that were not signed. */
function toRanges(signed: Parts, found: Parts): (readonly [number, number])[] | null {
  if (signed.has('')) return null;
  const ranges = [...new Set([...signed.keys(), ...found.keys()])].filter((key) => signed.get(key) !== found.get(key));
  return ranges.map((key) => key.split(':').map(Number) as [number, number]).sort((a, b) => a[0] - b[0]);
}
