/** What calibration inputs say about the layers of a model. */

/** The directions in which a layer's inputs are large, and how large its output is. */
export interface LayerCalibration {
  /** Inputs of one output: what a row of the weight is multiplied with. */
  readonly features: number;
  readonly groups: number;
  /** Directions per group; at most `features`. */
  readonly rank: number;
  /** Orthonormal directions of largest mean square, [groups, rank, features], row-major. */
  readonly directions: Float32Array;
  /** Mean square of the inputs along each direction, [groups, rank]. */
  readonly powers: Float64Array;
  /** Mean square of a single input, [groups]: the average over all directions. */
  readonly meanPowers: Float64Array;
  /** Variance of the layer's output over samples, positions and channels. */
  readonly outputVariance: number;
}

export interface Calibration {
  /** Inputs that were run. */
  readonly samples: number;
  /** Where they came from, in words: "npz data", "seeded probes". */
  readonly inputs: string;
  /** True when the inputs were made up: what holds of most layers is then taken into account as well. */
  readonly isProbed: boolean;
  /** By the name of the weight tensor; layers that could not be observed are missing. */
  readonly layers: ReadonlyMap<string, LayerCalibration>;
}
