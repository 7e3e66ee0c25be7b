/** A decoder that can be run: a graph, or a graph with the weights of a checkpoint in it. */
import { basename } from 'node:path';
import { WatermarkError } from '../../../core/errors.ts';
import type { Model, TensorEdit } from '../../../model/types.ts';
import type { RewritePlan } from '../../../source/index.ts';
import { findDownProjection, findLoan, type MatrixPlace, toLoanEdits } from '../../../watermark/index.ts';
import { findTextPlaces, type TextPlaces } from '../../../watermark/text/index.ts';
import { openPlannedModel } from '../../protect/virtual-model.ts';
import type { Places } from './states.ts';

export interface Runnable {
  /** The model with the weights that count. */
  readonly model: Model;
  readonly places: Places;
  /** The down projection in the file that is changed. */
  readonly down: MatrixPlace;
}

/** @returns null for what takes no tokens @throws nothing */
export function findDecoder(model: Model, named: Parameters<typeof findTextPlaces>[1] = {}): TextPlaces | null {
  try {
    return findTextPlaces(model, named);
  } catch (error) {
    if (error instanceof WatermarkError && error.code === 'WATERMARK_TEXT_UNFIT') return null;
    throw error;
  }
}

/**
 * @param graph the ONNX form of the same model; null when `model` is one itself
 * @throws WatermarkError WATERMARK_TRIGGER_UNFIT
 */
export function openRunnable(model: Model, graph: Model | null): Runnable {
  const own = graph ?? model;
  const text = findDecoder(own);
  if (text === null) throw unfit('it is no decoder: no token ids in, or no scores of tokens out');
  const found = findDownProjection(own.graph!, text.logits);
  const declared = own.graph!.inputs.find(({ name }) => name === text.tokens)?.shape?.[1];
  const fixedTokens = typeof declared === 'number' ? declared : null;
  if (graph === null) return { model, places: { ...found, text, fixedTokens }, down: found.down };
  const loan = findLoan(graph, model);
  const down = loan.get(found.down.tensor.name);
  if (down === undefined) throw unfit('the checkpoint lacks the last down projection of the graph');
  const lent = openPlannedModel(
    graph.plan(toLoanEdits(graph, loan)),
    graph.files.map(({ name }) => basename(name)),
  );
  const places = findDownProjection(lent.graph!, text.logits);
  return {
    model: lent,
    places: { ...places, text, fixedTokens },
    down: { tensor: down.tensor, isTransposed: down.isTransposed !== found.down.isTransposed },
  };
}

/**
 * A suspect that can be asked tokens; a checkpoint through a graph.
 * @throws WatermarkError WATERMARK_TRIGGER_SUSPECT_UNFIT
 */
export function openAskable(suspect: Model, graph: Model | null): { readonly model: Model; readonly text: TextPlaces } {
  const own = suspect.graph === null ? graph : suspect;
  if (own === null) {
    throw suspectUnfit('it has no graph that could be run: pass the model as ONNX with --graph FILE, or its answers');
  }
  const text = findDecoder(own);
  if (text === null) throw suspectUnfit('it is no decoder: no token ids in, or no scores of tokens out');
  return { model: own === suspect ? suspect : lend(own, suspect), text };
}

function lend(graph: Model, weights: Model): Model {
  let edits: TensorEdit[];
  try {
    edits = toLoanEdits(graph, findLoan(graph, weights));
  } catch (error) {
    if (!(error instanceof WatermarkError) || error.code !== 'WATERMARK_TRIGGER_UNFIT') throw error;
    throw suspectUnfit(String(error.fields.reason));
  }
  return openPlannedModel(
    graph.plan(edits),
    graph.files.map(({ name }) => basename(name)),
  );
}

function suspectUnfit(reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_TRIGGER_SUSPECT_UNFIT', { fields: { reason } });
}

/** The planned copy of `model` in the same graph, to be asked. */
export function openChanged(model: Model, graph: Model | null, plan: RewritePlan): Model {
  const changed = openPlannedModel(
    plan,
    plan.files.map(({ name }, at) => (at === 0 ? model.files[0].name : name)),
  );
  return graph === null ? changed : openRunnable(changed, graph).model;
}

function unfit(reason: string): WatermarkError {
  return new WatermarkError('WATERMARK_TRIGGER_UNFIT', { fields: { reason } });
}
