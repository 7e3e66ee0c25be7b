/** What is kept of an opened ONNX model beside its graph: where its messages lie. */
import type { Place } from '../../model/document.ts';
import type { Model, TensorRef } from '../../model/types.ts';
import type { OnnxContext } from './context.ts';
import type { Frame } from './wire.ts';

export interface OnnxLayout {
  readonly context: OnnxContext;
  readonly root: Frame;
  /** How many training graphs there are. */
  readonly trainings: number;
}

const layouts = new WeakMap<Model, OnnxLayout>();

export function setOnnxLayout(model: Model, layout: OnnxLayout): void {
  layouts.set(model, layout);
}

/** Undefined for models that this reader did not open. */
export function findOnnxLayout(model: Model): OnnxLayout | undefined {
  return layouts.get(model);
}

const messages = new WeakMap<OnnxLayout, ReadonlyMap<TensorRef, Place>>();

/** The TensorProto of each tensor that has one of its own, in one part. Made when it is first asked for. */
export function listTensorPlaces(layout: OnnxLayout): ReadonlyMap<TensorRef, Place> {
  let places = messages.get(layout);
  if (places === undefined) {
    const { source } = layout.context.reader;
    places = new Map(
      layout.context.placed
        .filter(({ isWholeMessage }) => isWholeMessage)
        .map(({ tensor, frame }) => {
          const { lengthStart, start, end } = frame;
          return [tensor, { source, number: 0, tagStart: lengthStart, lengthStart, start, end, record: tensor }];
        }),
    );
    messages.set(layout, places);
  }
  return places;
}
