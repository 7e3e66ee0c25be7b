/** What one TFLite model is read with: the tables, the buffers, the files, the names, and the tensors found so far. */
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { ModelFile, TensorRef } from '../../model/types.ts';
import type { ByteSource, SourceFolder } from '../../source/ports.ts';
import { NameSet } from '../name-set.ts';
import { FlatReader } from './flat.ts';

/** Data of one buffer in the main file; empty when start = end. */
export interface BufferPlace {
  /** Of its table. */
  readonly at: number;
  readonly start: number;
  readonly end: number;
}

/** Where an external buffer lies, as the file says; nothing of it is checked yet. */
export interface ExternalPlace {
  readonly at: number;
  readonly fileName: string;
  readonly offset: bigint;
  readonly length: bigint;
  readonly packing: string;
}

export class TfliteContext {
  readonly flat: FlatReader;
  readonly folder: SourceFolder | null;
  /** The first is the main file; others hold external buffers. Closed with the model. */
  readonly files: ModelFile[];
  readonly fileIndexes: Map<string, number>;
  readonly names = new NameSet();
  readonly tensors: TensorRef[] = [];
  /** Positions of numbers that count bytes from the beginning of the file; they move when something is put in front. */
  readonly absoluteOffsets: number[] = [];
  buffers: readonly BufferPlace[] = [];
  external: ReadonlyMap<number, ExternalPlace> = new Map();

  constructor(name: string, source: ByteSource, folder: SourceFolder | null) {
    this.flat = new FlatReader(source);
    this.folder = folder;
    this.files = [{ name, source }];
    this.fileIndexes = new Map([[name, 0]]);
  }

  /** @throws FormatError TFLITE_BUDGET */
  place(tensor: TensorRef, at: number): TensorRef {
    if (this.tensors.length >= FORMAT_LIMITS.tensorsMax) {
      throw this.flat.fail('TFLITE_BUDGET', at, { tensorsMax: FORMAT_LIMITS.tensorsMax });
    }
    this.flat.spend(640 + 2 * tensor.name.length, at);
    this.tensors.push(tensor);
    return tensor;
  }
}
