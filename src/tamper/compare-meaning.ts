/** Compares what a model says about itself with a baseline: tensor headers, graph, metadata, format. */
import type { Model } from '../model/types.ts';
import { type ChangeList, toChange } from './changes.ts';
import type { Renames } from './compare-tensors.ts';
import { toGraphDigest, toMetadataDigest } from './graph-digest.ts';
import { diffNodes } from './graph-diff.ts';
import type { Baseline } from './manifest.ts';

/**
 * Adds differences of names, types and shapes of tensors that lie where they lay.
 * Precondition: the model's tensors have the baseline's spans, in the same order.
 * @returns the renames that were found
 */
export function compareHeaders(baseline: Baseline, model: Model, list: ChangeList): Renames {
  const renames = new Map<string, string>();
  baseline.tensors.forEach((before, index) => {
    const now = model.tensors[index];
    const place = { tensor: before.name, file: model.files[now.fileIndex].name, offset: now.start };
    if (before.name !== now.name) {
      renames.set(now.name, before.name);
      const detail = `now named ${now.name}`;
      list.add(toChange({ kind: 'tensor-renamed', severity: 'medium', ...place, subject: now.name, detail }));
    }
    if (before.dtype !== now.dtype) {
      const detail = `${before.dtype} -> ${now.dtype}`;
      list.add(toChange({ kind: 'dtype-changed', severity: 'high', ...place, detail }));
    }
    if (before.shape.join() !== now.shape.join()) {
      const detail = `[${before.shape.join(', ')}] -> [${now.shape.join(', ')}]`;
      list.add(toChange({ kind: 'shape-changed', severity: 'high', ...place, detail }));
    }
  });
  return renames;
}

/**
 * Whether the graph could be compared in full: "partly" when it holds attributes that no reader interprets, "absent"
 * when another file format holds no graph at all, "none" when there is one and it was not compared.
 */
export type GraphAnalysis = 'full' | 'partly' | 'absent' | 'none';

/**
 * Adds differences of graph, functions and opsets; tensors count by their names in the baseline, so changed weights
 * are not reported again here.
 */
export function compareGraph(baseline: Baseline, model: Model, renames: Renames, list: ChangeList): GraphAnalysis {
  const before = baseline.graph;
  const now = toGraphDigest(model, (tensor) => renames.get(tensor.name) ?? tensor.name);
  if (before === null || now === null) return before === null && now === null ? 'full' : 'none';
  const analysis = before.opaque + now.opaque > 0 ? 'partly' : 'full';
  if (before.wiring === now.digest) return analysis;
  const changes = diffNodes(before.nodes, now.nodes);
  for (const { kind, scope, op, name, formerOp } of changes) {
    const where = scope === '' ? '' : ` in ${scope}`;
    const was = formerOp === null ? '' : `, was ${formerOp}`;
    const detail = `${op} node ${kind}${was}${where}`;
    list.add(toChange({ kind: 'graph-changed', severity: 'high', subject: name, detail }));
  }
  if (changes.length === 0) {
    const detail = 'inputs, outputs, opsets, functions or the order of feeding differ';
    list.add(toChange({ kind: 'graph-changed', severity: 'high', detail }));
  }
  return analysis;
}

/** Adds metadata entries that were added, removed or changed. */
export function compareMetadata(baseline: Baseline, model: Model, list: ChangeList): void {
  const now = new Map([...model.metadata].map(([key, value]) => [key, toMetadataDigest(key, value)]));
  for (const [key, digest] of baseline.metadata) {
    const actual = now.get(key);
    if (actual === digest) continue;
    const detail = actual === undefined ? 'removed' : 'changed';
    list.add(toChange({ kind: 'metadata-changed', severity: 'low', subject: key, detail }));
  }
  for (const key of now.keys()) {
    if (baseline.metadata.has(key)) continue;
    list.add(toChange({ kind: 'metadata-changed', severity: 'low', subject: key, detail: 'added' }));
  }
}

/**
 * Adds a change of file format, after which graphs are not comparable.
 * @returns what of the file at hand is still accounted for: no graph at all, and the same metadata entries
 */
export function compareFormats(
  baseline: Baseline,
  model: Model,
  list: ChangeList,
): { readonly graph: GraphAnalysis; readonly metadata: boolean } {
  const detail = `${baseline.format} -> ${model.format}`;
  list.add(toChange({ kind: 'format-changed', severity: 'info', detail }));
  const entries = [...model.metadata];
  // Formats keep metadata of their own, so a difference says nothing; equal entries are the same in any of them.
  const isSame =
    entries.length === baseline.metadata.size &&
    entries.every(([key, value]) => baseline.metadata.get(key) === toMetadataDigest(key, value));
  return { graph: model.graph === null ? 'absent' : 'none', metadata: isSame };
}
