/** What a network is made of, as plain data: the trainer, the exporters and the attacks all read this. */

export interface DenseSpec {
  readonly kind: 'dense';
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  /**
   * 'outIn' stores weight[out, in], runs as Gemm with transB = 1 and takes [batch, in];
   * 'inOut' stores weight[in, out], runs as MatMul + Add and takes [batch, tokens, in].
   */
  readonly layout: 'outIn' | 'inOut';
}

export interface ConvSpec {
  readonly kind: 'conv';
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly groups: number;
  /** A batch norm that follows makes a bias pointless. */
  readonly hasBias: boolean;
}

export interface BatchNormSpec {
  readonly kind: 'batchNorm';
  readonly name: string;
  readonly channels: number;
}

export interface PoolSpec {
  readonly kind: 'pool';
  readonly mode: 'max' | 'average';
  readonly size: number;
  readonly stride: number;
}

export interface ResidualSpec {
  readonly kind: 'residual';
  readonly body: readonly LayerSpec[];
  /** [] for the identity. */
  readonly shortcut: readonly LayerSpec[];
}

export interface LayerNormSpec {
  readonly kind: 'layerNorm';
  readonly name: string;
  readonly width: number;
}

export interface AttentionSpec {
  readonly kind: 'attention';
  readonly name: string;
  readonly width: number;
  readonly heads: number;
  readonly tokens: number;
}

/** Adds row t of a learned table to token t. */
export interface PositionSpec {
  readonly kind: 'position';
  readonly name: string;
  readonly tokens: number;
  readonly width: number;
}

/** Token ids, as floats, to rows of a learned table. */
export interface EmbeddingSpec {
  readonly kind: 'embedding';
  readonly name: string;
  readonly vocabulary: number;
  readonly width: number;
}

/** Cuts [batch, side, side, 1] into (side / size)^2 tokens of size^2 values. */
export interface PatchesSpec {
  readonly kind: 'patches';
  readonly side: number;
  readonly size: number;
}

/** Only training knows it. */
export interface DropoutSpec {
  readonly kind: 'dropout';
  /** Share of values that become zero. */
  readonly share: number;
}

export type LayerSpec =
  | DenseSpec
  | ConvSpec
  | BatchNormSpec
  | PoolSpec
  | ResidualSpec
  | LayerNormSpec
  | AttentionSpec
  | PositionSpec
  | EmbeddingSpec
  | PatchesSpec
  | DropoutSpec
  /** Mean over height and width: [batch, channels]. */
  | { readonly kind: 'globalPool' }
  /** Mean over tokens: [batch, width]. */
  | { readonly kind: 'meanTokens' }
  /** [batch, channels · height · width], channels outermost as in ONNX. */
  | { readonly kind: 'flatten' }
  | { readonly kind: 'relu' }
  /** The exact form, x · Φ(x). */
  | { readonly kind: 'gelu' };

/** A classifier of single-channel square images; `layers` end in [batch, classes]. */
export interface NetworkSpec {
  readonly name: string;
  /** Images are [batch, 1, side, side] outside and [batch, side, side, 1] inside: the same bytes. */
  readonly side: number;
  readonly classes: number;
  readonly layers: readonly LayerSpec[];
}

/** Trained values by tensor name, such as "conv1.weight"; float32, row-major, in the layout that is exported. */
export type Weights = ReadonlyMap<string, Float32Array>;
