/** Labels in the graph of an ONNX model (docs/spec/graph-labels.md). They identify a file; runtimes remove most of them. */
import { WatermarkError } from '../../core/errors.ts';
import type { Model } from '../../model/types.ts';
import type { RewritePlan } from '../../source/rewrite.ts';
import type { Payload } from '../payload.ts';
import type { LabelCarrier } from './carrier.ts';
import { duplicatedChannels } from './channels.ts';
import { identityNames, identitySeeds } from './identity.ts';
import { splitTensor } from './split.ts';
import { docString, metadataEntry } from './text.ts';

export const GRAPH_LABEL_KINDS = ['metadata', 'doc', 'identity', 'seed', 'split', 'channels'] as const;
export type GraphLabelKind = (typeof GRAPH_LABEL_KINDS)[number];

/** What every interface says beside a label in the graph. */
export const GRAPH_LABEL_STATEMENT =
  'A label in the graph is not a watermark and proves no ownership: it identifies a file as written. Anybody can take it out, and a runtime that saves its optimised graph drops identity layers and split tensors.';

/**
 * Which optimisation levels of onnxruntime 1.30 leave a label of the kind in the graph that they save. Copies of
 * convolution channels are still there after `all`, but in the blocked layout of the processor, where this reader does
 * not find them.
 */
export const KEPT_BY_ONNXRUNTIME: Readonly<Record<GraphLabelKind, readonly ('basic' | 'extended' | 'all')[]>> = {
  metadata: ['basic', 'extended', 'all'],
  doc: ['basic', 'extended', 'all'],
  identity: [],
  seed: [],
  split: [],
  channels: ['basic', 'extended'],
};

const CARRIERS: Readonly<Record<GraphLabelKind, LabelCarrier>> = {
  metadata: metadataEntry,
  doc: docString,
  identity: identityNames,
  seed: identitySeeds,
  split: splitTensor,
  channels: duplicatedChannels,
};

export interface GraphLabelOptions {
  readonly model: Model;
  readonly kind: GraphLabelKind;
}

/**
 * The files of `model` with a label. The function of the model stays: exactly, or for `channels` up to rounding.
 * @throws WatermarkError WATERMARK_LABEL_PRESENT when one of the kind is there; WATERMARK_LABEL_NO_PLACE |
 *   WATERMARK_LABEL_TOO_LONG; FormatError FORMAT_GRAPH_UNSUPPORTED
 */
export function planGraphLabel(options: GraphLabelOptions & { readonly payload: Payload }): RewritePlan {
  const { model, kind, payload } = options;
  if (findGraphLabel(options) !== undefined) {
    throw new WatermarkError('WATERMARK_LABEL_PRESENT', { fields: { kind } });
  }
  return CARRIERS[kind].write(model, payload);
}

/** The intact payload of a kind of label; undefined when there is none. */
export function findGraphLabel({ model, kind }: GraphLabelOptions): Payload | undefined {
  return model.format === 'onnx' || kind === 'channels' ? CARRIERS[kind].find(model) : undefined;
}

/** The files without the label of a kind. @throws WatermarkError WATERMARK_LABEL_ABSENT | WATERMARK_LABEL_DAMAGED */
export function planGraphLabelRemoval({ model, kind }: GraphLabelOptions): RewritePlan {
  const plan = model.graph === null ? null : CARRIERS[kind].remove(model);
  if (plan === null) throw new WatermarkError('WATERMARK_LABEL_ABSENT', { fields: { kind } });
  return plan;
}
