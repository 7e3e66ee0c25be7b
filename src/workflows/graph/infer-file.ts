/** Types and shapes of every value of a model file, and where they contradict each other. */
import { readGraphDocument } from '../../formats/index.ts';
import {
  type Dim,
  inferDocument,
  type InferFinding,
  type InferredType,
  type InferOptions,
} from '../../surgery/index.ts';
import { openPlainModel } from '../open-model.ts';
import type { LookOptions } from './look.ts';

export interface InferFileOptions extends LookOptions {
  /** Lengths of symbolic dimensions of inputs, by name. */
  readonly dims: Readonly<Record<string, number>>;
  /** Take what the file says of inner values for true, as well as what it says of inputs. */
  readonly trustsDeclared: boolean;
}

export interface InferredValue {
  /** Path of the scope; "" for the main graph. */
  readonly scope: string;
  readonly name: string;
  readonly kind: InferredType['kind'];
  /** Of the tensor, or of the elements of a sequence or optional. */
  readonly dtype: string | null;
  readonly shape: readonly Dim[] | null;
}

export interface InferFileReport {
  readonly values: readonly InferredValue[];
  /** Values whose element type and every dimension are numbers. */
  readonly knownValues: number;
  /** Values whose dimensions are numbers or symbols. */
  readonly shapedValues: number;
  readonly findings: readonly InferFinding[];
  readonly findingCount: number;
  /** How many nodes have an operator without a rule, by "domain::operator". */
  readonly unknownOperators: Readonly<Record<string, number>>;
}

/** @throws FormatError FORMAT_GRAPH_UNSUPPORTED; SourceError */
export function inferFile(options: InferFileOptions): InferFileReport {
  const model = openPlainModel(options.path, options.dataRoot);
  try {
    const asked: InferOptions = {
      dims: new Map(Object.entries(options.dims)),
      declared: options.trustsDeclared ? 'all' : 'inputs',
    };
    const { scopes, findings, findingCount, unknownOperators } = inferDocument(readGraphDocument(model), asked);
    const values = [...scopes].flatMap(([scope, types]) =>
      Array.from(types, ([name, type]) => toInferredValue(scope.path, name, type)),
    );
    return {
      values,
      knownValues: values.filter((value) => isShaped(value, 'numbers')).length,
      shapedValues: values.filter((value) => isShaped(value, 'symbols')).length,
      findings,
      findingCount,
      unknownOperators: Object.fromEntries(unknownOperators),
    };
  } finally {
    model.close();
  }
}

function toInferredValue(scope: string, name: string, type: InferredType): InferredValue {
  let inner: InferredType = type;
  while (inner.kind !== 'tensor') inner = inner.element;
  return { scope, name, kind: type.kind, dtype: inner.dtype, shape: inner.shape };
}

function isShaped({ dtype, shape }: InferredValue, dims: 'numbers' | 'symbols'): boolean {
  if (dtype === null || shape === null) return false;
  return shape.every((dim) => typeof dim === 'number' || (dims === 'symbols' && dim !== null));
}
