/** The port of a model format. */
import type { FormatId, Model } from '../model/types.ts';
import type { ByteSource, SourceFolder } from '../source/ports.ts';

export interface OpenModelOptions {
  readonly source: ByteSource;
  /** Base name of the main file, used for messages and for choosing a format. */
  readonly name: string;
  /** Where shards and external data lie; null when the model must be self-contained. */
  readonly folder: SourceFolder | null;
}

/**
 * One file format. `isFormat` looks at the first bytes and the name, and never throws. `open` reads the index only;
 * it must bound every number it reads, must not read weights, and must throw FormatError with the byte offset as
 * field `offset` on the first violation.
 */
export interface ModelFormat {
  readonly id: FormatId;
  isFormat(name: string, head: Uint8Array, sizeBytes: number): boolean;
  open(options: OpenModelOptions): Model;
}
