/** What writing a document needs besides its records: where tensors lie, and what happens to external files. */
import type { Place } from '../../model/document.ts';
import type { TensorPatch } from '../../model/tensors.ts';
import type { Model, TensorRef } from '../../model/types.ts';
import type { ByteSource } from '../../source/ports.ts';
import type { Replacement } from '../../source/splice.ts';
import { assertNoConflict, toSpanReplacement } from '../edits.ts';
import { listTensorPlaces, type OnnxLayout } from './layout.ts';
import { WireReader } from './wire.ts';

export class WriteContext {
  readonly #model: Model;
  readonly #layout: OnnxLayout;
  readonly #layouts: readonly OnnxLayout[];
  readonly #readers = new Map<ByteSource, WireReader>();
  readonly #external = new Map<TensorRef, TensorPatch>();

  /** @param others models whose tensors and records the document may hold */
  constructor(model: Model, layout: OnnxLayout, others: readonly OnnxLayout[]) {
    this.#model = model;
    this.#layout = layout;
    this.#layouts = [layout, ...others];
    this.#readers.set(layout.context.reader.source, layout.context.reader);
  }

  readonly findReader = (source: ByteSource): WireReader => {
    let reader = this.#readers.get(source);
    if (reader === undefined) this.#readers.set(source, (reader = new WireReader(source)));
    return reader;
  };

  /** The TensorProto that `tensor` was read from, of this model or another; null when there is none to keep. */
  findTensorPlace(tensor: TensorRef): Place | null {
    for (const layout of this.#layouts) {
      const place = listTensorPlaces(layout).get(tensor);
      if (place !== undefined) return place;
    }
    return null;
  }

  /** True for tensors of the model that is written: their external data stays where it is. */
  isOwn(tensor: TensorRef): boolean {
    return this.findTensorPlace(tensor)?.source === this.#layout.context.reader.source;
  }

  /** Changes external data in its own file. */
  patchExternal(tensor: TensorRef, patch: TensorPatch): void {
    this.#external.set(tensor, patch);
  }

  /** @throws FormatError FORMAT_EDIT_CONFLICT when another tensor shares bytes with a patched one */
  toExternalReplacements(): readonly (readonly Replacement[])[] {
    const { files, tensors } = this.#model;
    const replacements = files.map((): Replacement[] => []);
    if (this.#external.size === 0) return replacements;
    for (const [tensor, patch] of this.#external) {
      const sharing = tensors.filter(
        (other) => other.fileIndex === tensor.fileIndex && other.start < tensor.end && tensor.start < other.end,
      );
      assertNoConflict(sharing);
      replacements[tensor.fileIndex].push(toSpanReplacement(files[tensor.fileIndex].source, tensor, patch));
    }
    return replacements;
  }
}
