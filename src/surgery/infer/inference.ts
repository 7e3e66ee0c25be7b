/** What inference is asked, and what it answers. */
import type { ScopeRecord } from '../../model/document.ts';
import type { TensorRef } from '../../model/types.ts';
import type { InferFinding } from './findings.ts';
import type { InferredType, Shape } from './types.ts';

export interface InferOptions {
  /**
   * What the file says of types: of all values ("all", the default), or of the inputs of the main graph alone
   * ("inputs"), which a runtime checks when it is fed; what the file says of inner values can be wrong.
   */
  readonly declared?: 'all' | 'inputs';
  /** Shapes that inputs of the main graph are fed with, in the place of the declared ones. */
  readonly inputShapes?: ReadonlyMap<string, Shape>;
  /** Lengths of symbolic dimensions of inputs, by name. */
  readonly dims?: ReadonlyMap<string, number>;
  /** Tensors that inputs of the main graph are fed with: shapes that hang on their elements are then known. */
  readonly inputTensors?: ReadonlyMap<string, TensorRef>;
}

export interface Inference {
  /** Types of the values that a scope defines. Those of a function body are those of its last call. */
  readonly scopes: ReadonlyMap<ScopeRecord, ReadonlyMap<string, InferredType>>;
  /** The first findings; empty when nothing contradicts itself. */
  readonly findings: readonly InferFinding[];
  readonly findingCount: number;
  /** How many nodes have no rule, by "domain::operator"; their outputs are what the file declares, or unknown. */
  readonly unknownOperators: ReadonlyMap<string, number>;
}
