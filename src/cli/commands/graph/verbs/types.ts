/** What an editing verb of the command line is made of. */
import type { pruneWeights, restoreWeights, stripWeights, TensorJson, Transaction } from '../../../../surgery/index.ts';
import type { WordFlags } from '../words.ts';

export interface VerbFlags extends WordFlags {
  readonly op?: string;
  readonly domain?: string;
  readonly name?: string;
  readonly attribute?: readonly string[];
  readonly input?: readonly string[];
  readonly output?: string;
  readonly with?: string;
  readonly reconnect?: boolean;
  readonly after?: string;
  readonly start?: string;
  readonly tensor?: string;
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly prefix?: string;
  readonly connect?: readonly string[];
  readonly keepOutputs?: boolean;
  readonly interface?: boolean;
  readonly axis?: string;
  readonly except?: readonly string[];
}

/** A file or JSON text that a flag names, as JSON; and tensors from npy files. */
export interface VerbInputs {
  /** JSON of a flag: text that begins with { or [, else the content of a file. */
  json(word: string): unknown;
  /** A tensor: JSON text, or an npy file. */
  tensor(word: string): TensorJson;
  /** Verbs over all weights of a model; handed in, so that the list of verbs is told without loading them. */
  readonly weights: WeightVerbs;
}

export interface WeightVerbs {
  readonly prune: typeof pruneWeights;
  readonly restore: typeof restoreWeights;
  readonly strip: typeof stripWeights;
}

export interface VerbRow {
  readonly name: string;
  readonly summary: string;
  /** Index of the argument that is another model, which the verb takes by that word. */
  readonly other?: number;
  /** Arguments behind the model, as commander writes them. */
  readonly words: readonly (readonly [string, string])[];
  readonly options: readonly (readonly [string, string])[];
  readonly example: readonly [string, string];
  readonly act: (tx: Transaction, words: readonly string[], flags: VerbFlags, inputs: VerbInputs) => unknown;
}
