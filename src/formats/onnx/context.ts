/** What one ONNX model is read with: the reader, the memory budget, the tensors found so far and their names. */
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import type { Graph, ModelFile, TensorRef } from '../../model/types.ts';
import type { ByteSource, SourceFolder } from '../../source/ports.ts';
import { NameSet } from '../name-set.ts';
import type { TensorPlace } from '../span-tensor.ts';
import type { ScopeDraft } from './scope-draft.ts';
import { TensorDraft } from './tensor-draft.ts';
import { type Field, type Fields, type Frame, WIRE, WireReader } from './wire.ts';

/** The files of the model; the first is the main one. Opened once each, closed with the model. */
export interface ExternalFiles {
  readonly files: ModelFile[];
  readonly byName: Map<string, number>;
}

/** A tensor of the main file with the message that holds its data, for edits. */
export interface PlacedTensor {
  readonly tensor: TensorRef;
  readonly frame: Frame;
  /** Offset by which tensors are ordered. */
  readonly at: number;
  /** True when `frame` is the TensorProto, all of it. */
  readonly isWholeMessage: boolean;
}

export class OnnxContext {
  readonly reader: WireReader;
  readonly external: ExternalFiles;
  readonly folder: SourceFolder | null;
  /** Where raw data of the main file is. */
  readonly mainPlace: TensorPlace;
  readonly tensorDraft = new TensorDraft();
  readonly placed: PlacedTensor[] = [];
  /** What was read of each graph beyond the graph itself. */
  readonly scopes = new Map<Graph, ScopeDraft>();
  /** Ids of the operators that the function being read calls; null outside functions. */
  calls: Set<string> | null = null;
  readonly #names = new NameSet();
  #indexBytes = 0;

  constructor(source: ByteSource, folder: SourceFolder | null, external: ExternalFiles) {
    this.reader = new WireReader(source);
    this.folder = folder;
    this.external = external;
    this.mainPlace = { storage: 'raw', fileIndex: 0, source };
  }

  /** Counts heap that the index is about to take. Bound, so that it can be passed on. @throws FormatError ONNX_BUDGET */
  readonly spend = (bytes: number, offset: number): void => {
    this.#indexBytes += bytes;
    if (this.#indexBytes > FORMAT_LIMITS.onnxIndexBytesMax) {
      throw this.reader.fail('ONNX_BUDGET', offset, { indexBytesMax: FORMAT_LIMITS.onnxIndexBytesMax });
    }
  };

  /** The text of a field that is kept in the index. @throws FormatError ONNX_BUDGET */
  text(field: Field): string {
    const length = field.end - field.start;
    if (length > FORMAT_LIMITS.onnxStringBytesMax) {
      throw this.reader.fail('ONNX_BUDGET', field.start, { stringBytesMax: FORMAT_LIMITS.onnxStringBytesMax });
    }
    this.spend(48 + 2 * length, field.start);
    return this.reader.text(field.start, field.end);
  }

  /** The bytes of a field that is kept in the index. @throws FormatError ONNX_BUDGET */
  bytes(field: Field): Uint8Array {
    this.spend(96 + field.end - field.start, field.start);
    const bytes = new Uint8Array(field.end - field.start);
    this.reader.copy(field.start, bytes);
    return bytes;
  }

  /** The fields of the message inside the field that `fields` stands at. @throws FormatError ONNX_BUDGET | ONNX_DEPTH */
  enter(fields: Fields): Fields {
    this.spend(64, fields.tagStart);
    return fields.enter();
  }

  /** The message inside the field that `fields` stands at, to be kept or read later. @throws as {@link enter} */
  toInnerFrame(fields: Fields): Frame {
    this.spend(64, fields.tagStart);
    return fields.toInnerFrame();
  }

  /** A name that is unique in the model, as {@link NameSet} makes it. */
  claimName(wanted: string): string {
    return this.#names.claim(wanted);
  }

  /** @throws FormatError ONNX_BUDGET */
  place(placed: PlacedTensor): TensorRef {
    if (this.placed.length >= FORMAT_LIMITS.tensorsMax) {
      throw this.reader.fail('ONNX_BUDGET', placed.at, { tensorsMax: FORMAT_LIMITS.tensorsMax });
    }
    this.spend(960 + 2 * placed.tensor.name.length, placed.at);
    this.placed.push(placed);
    return placed.tensor;
  }
}

/** True for a field of that number with the wire type that its declaration asks for; else it counts as unknown. */
export function isBytes(field: Field, number: number): boolean {
  return field.number === number && field.wire === WIRE.bytes;
}

export function isVarint(field: Field, number: number): boolean {
  return field.number === number && field.wire === WIRE.varint;
}
