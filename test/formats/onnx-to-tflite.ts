/** Converts small ONNX networks to TFLite as converters do: channels last, batch norms folded, weights per axis in 8 bits if asked. */
import { decodeFloats, type FloatDType } from '../../src/model/floats.ts';
import type { GraphNode, Model, TensorRef } from '../../src/model/types.ts';
import { list, scalar, writeFlat } from './flat-writer.ts';
import { TFLITE_OP, TFLITE_TYPE, type TinyOperator, type TinyTensor, toTfliteRoot } from './tflite.ts';

export interface ConvertOptions {
  /** f32 (default), or i8 with one scale for each output channel; DEQUANTIZE follows, as in weight-only quantisation. */
  readonly weights?: 'f32' | 'i8';
  /** How a flatten of [N, C, H, W] is kept: weights in the new order (default), or a transpose before it. */
  readonly flatten?: 'weights' | 'transpose';
  /** Names of the original, or what a converter makes up (default). */
  readonly keepsNames?: boolean;
  /** Channels, height and width, where the model does not say. */
  readonly inputShape?: readonly [number, number, number];
}

interface Value {
  readonly index: number;
  /** Channels, height, width; [features] for rows. */
  readonly shape: readonly number[];
}

/** @throws TypeError for an operator that this converter does not know */
export function toTflite(model: Model, options: ConvertOptions = {}): Uint8Array {
  const converter = new Converter(model, options);
  for (const node of model.graph!.nodes) converter.convert(node);
  return converter.finish();
}

class Converter {
  readonly #model: Model;
  readonly #options: ConvertOptions;
  readonly #tensors: TinyTensor[] = [];
  readonly #operators: TinyOperator[] = [];
  readonly #values = new Map<string, Value>();
  readonly #skipped = new Set<GraphNode>();
  readonly #input: number;
  /** Channels, height and width of the value that was flattened into a name. */
  readonly #flattened = new Map<string, readonly number[]>();

  constructor(model: Model, options: ConvertOptions) {
    this.#model = model;
    this.#options = options;
    const { name, shape } = model.graph!.inputs[0];
    const [channels, height, width] = options.inputShape ?? (shape?.slice(1) as number[]);
    this.#input = this.#activation([channels, height, width]);
    this.#values.set(name, { index: this.#input, shape: [channels, height, width] });
  }

  finish(): Uint8Array {
    const output = this.#values.get(this.#model.graph!.outputs[0].name)!;
    const subgraph = {
      name: 'main',
      tensors: this.#tensors,
      inputs: [this.#input],
      outputs: [output.index],
      operators: this.#operators,
    };
    return writeFlat(toTfliteRoot({ subgraphs: [subgraph], description: 'converted for a test' })).bytes;
  }

  convert(node: GraphNode): void {
    if (this.#skipped.has(node)) return;
    const x = this.#values.get(node.inputs[0]);
    if (x === undefined) throw new TypeError(`${node.op} reads a value that nothing makes`);
    const [output] = node.outputs;
    switch (node.op) {
      case 'Conv':
        this.#conv(node, x);
        return;
      case 'Gemm':
        this.#dense(node, x);
        return;
      case 'Relu':
        this.#values.set(output, this.#emit(TFLITE_OP.RELU, [x.index], x.shape));
        return;
      case 'Add': {
        const y = this.#values.get(node.inputs[1])!;
        const options = { type: 11, fields: {} };
        this.#values.set(output, this.#emit(TFLITE_OP.ADD, [x.index, y.index], x.shape, options));
        return;
      }
      case 'MaxPool':
        this.#values.set(output, this.#maxPool(x));
        return;
      case 'GlobalAveragePool': {
        const axes = this.#ints('axes', [1, 2]);
        const options = { type: 27, fields: { 0: scalar('bool', 1) } };
        this.#values.set(output, this.#emit(TFLITE_OP.MEAN, [x.index, axes], [x.shape[0], 1, 1], options));
        return;
      }
      case 'Flatten':
        this.#values.set(output, this.#flatten(x, output));
        return;
      default:
        throw new TypeError(`no conversion of ${node.op}`);
    }
  }

  /** Convolutions of one input channel for each group are depthwise; the batch norm behind is folded in. */
  #conv(node: GraphNode, x: Value): void {
    const weight = this.#constant(node.inputs[1]);
    const [out, inPerGroup, kernelHeight, kernelWidth] = weight.shape;
    const { bias, output, values } = this.#fold(node, weight);
    const stride = toInts(node, 'strides', [1, 1])[0];
    const pads = toInts(node, 'pads', [0, 0, 0, 0]);
    const padded = this.#pad(x, pads);
    const isDepthwise = inPerGroup === 1 && x.shape[0] > 1;
    const shape = isDepthwise ? [1, kernelHeight, kernelWidth, out] : [out, kernelHeight, kernelWidth, inPerGroup];
    const lastFirst = Float32Array.from({ length: values.length }, (_, at) => {
      const [o, place, i] = isDepthwise
        ? [at % out, Math.floor(at / out), 0]
        : [
            Math.floor(at / (inPerGroup * kernelHeight * kernelWidth)),
            Math.floor(at / inPerGroup) % (kernelHeight * kernelWidth),
            at % inPerGroup,
          ];
      return values[(o * inPerGroup + i) * kernelHeight * kernelWidth + place];
    });
    const filter = this.#weight(node.inputs[1], shape, lastFirst, isDepthwise ? 3 : 0);
    const biasIndex = this.#floats(`${node.inputs[1]}/bias`, [out], bias);
    const [height, width] = [1, 2].map((axis, i) => {
      return Math.floor((padded.shape[axis] - (i === 0 ? kernelHeight : kernelWidth)) / stride) + 1;
    });
    const strides = { 1: scalar('i32', stride), 2: scalar('i32', stride) };
    const multiplier = isDepthwise ? scalar('i32', out / x.shape[0]) : null;
    const fields = { 0: scalar('i8', 1), ...strides, 3: multiplier };
    const code = isDepthwise ? TFLITE_OP.DEPTHWISE_CONV_2D : TFLITE_OP.CONV_2D;
    const inputs = [padded.index, filter, biasIndex];
    const made = this.#emit(code, inputs, [out, height, width], { type: isDepthwise ? 2 : 1, fields });
    this.#values.set(output, made);
  }

  /** Weights and bias with the batch norm behind the convolution, if there is one. */
  #fold(node: GraphNode, weight: TensorRef): { bias: Float32Array; output: string; values: Float32Array } {
    const [output] = node.outputs;
    const values = toFloats(weight);
    const [out] = weight.shape;
    const own = node.inputs[2] ?? '';
    const bias = own === '' ? new Float32Array(out) : toFloats(this.#constant(own));
    const next = this.#model.graph!.nodes.find(({ op, inputs }) => op === 'BatchNormalization' && inputs[0] === output);
    if (next === undefined) return { bias, output, values };
    this.#skipped.add(next);
    const [gamma, beta, mean, variance] = next.inputs.slice(1).map((name) => toFloats(this.#constant(name)));
    const perChannel = values.length / out;
    const scale = Float32Array.from(gamma, (value, c) => value / Math.sqrt(variance[c] + 1e-5));
    return {
      values: values.map((value, i) => value * scale[Math.floor(i / perChannel)]),
      bias: bias.map((value, c) => (value - mean[c]) * scale[c] + beta[c]),
      output: next.outputs[0],
    };
  }

  #dense(node: GraphNode, x: Value): void {
    const weight = this.#constant(node.inputs[1]);
    const [out, width] = weight.shape;
    const values = toFloats(weight);
    const [channels, height, depth] = this.#flattened.get(node.inputs[0]) ?? [width, 1, 1];
    const places = height * depth;
    const isMoved = this.#options.flatten !== 'transpose' && places > 1 && channels > 1;
    const moved = isMoved
      ? values.map((_, at) => {
          const i = at % width;
          return values[at - i + (i % channels) * places + Math.floor(i / channels)];
        })
      : values;
    const filter = this.#weight(node.inputs[1], [out, width], moved, 0);
    const bias = this.#floats(`${node.inputs[1]}/bias`, [out], toFloats(this.#constant(node.inputs[2])));
    const options = { type: 8, fields: {} };
    const made = this.#emit(TFLITE_OP.FULLY_CONNECTED, [x.index, filter, bias], [out], options);
    this.#values.set(node.outputs[0], made);
  }

  #maxPool(x: Value): Value {
    const [channels, height, width] = x.shape;
    const two = scalar('i32', 2);
    const options = { type: 5, fields: { 0: scalar('i8', 1), 1: two, 2: two, 3: two, 4: two } };
    const shape = [channels, Math.floor(height / 2), Math.floor(width / 2)];
    return this.#emit(TFLITE_OP.MAX_POOL_2D, [x.index], shape, options);
  }

  #flatten(x: Value, output: string): Value {
    const count = x.shape.reduce((a, b) => a * b, 1);
    this.#flattened.set(output, x.shape);
    const isKept = this.#options.flatten !== 'transpose' || x.shape[1] * x.shape[2] === 1;
    const from = isKept
      ? x.index
      : this.#emitShaped(TFLITE_OP.TRANSPOSE, [x.index, this.#ints('perm', [0, 3, 1, 2])], [1, ...x.shape]);
    const shape = this.#ints('shape', [-1, count]);
    const options = { type: 17, fields: { 0: list('i32', -1, count) } };
    return this.#emit(TFLITE_OP.RESHAPE, [from, shape], [count], options);
  }

  #pad(x: Value, [top, left, bottom, right]: readonly number[]): Value {
    if (top + left + bottom + right === 0) return x;
    const pads = this.#tensor({
      type: TFLITE_TYPE.i32,
      shape: [4, 2],
      data: bytesOf(Int32Array.of(0, 0, top, bottom, left, right, 0, 0)),
    });
    const [channels, height, width] = x.shape;
    const shape = [channels, height + top + bottom, width + left + right];
    return this.#emit(TFLITE_OP.PAD, [x.index, pads], shape, { type: 22, fields: {} });
  }

  #emit(code: number, inputs: readonly number[], shape: readonly number[], options?: TinyOperator['options']): Value {
    const index = this.#activation(shape);
    this.#operators.push({ code, inputs, outputs: [index], ...(options === undefined ? {} : { options }) });
    return { index, shape };
  }

  #emitShaped(code: number, inputs: readonly number[], shape: readonly number[]): number {
    const index = this.#tensor({ type: TFLITE_TYPE.f32, shape, signature: [-1, ...shape.slice(1)] });
    this.#operators.push({ code, inputs, outputs: [index], options: { type: 26, fields: {} } });
    return index;
  }

  /** A value of one sample: [1, height, width, channels] or [1, features]; the batch is known when it runs. */
  #activation(shape: readonly number[]): number {
    const [first, ...places] = shape;
    const full = [1, ...places, first];
    return this.#tensor({ type: TFLITE_TYPE.f32, shape: full, signature: [-1, ...full.slice(1)] });
  }

  /** A weight, quantised if asked; then what dequantises it. `axis` is that of the output channels. */
  #weight(name: string, shape: readonly number[], values: Float32Array, axis: number): number {
    const named = this.#options.keepsNames === true ? { name } : { name: `arith.constant${this.#tensors.length}` };
    if (this.#options.weights !== 'i8') {
      return this.#tensor({ ...named, type: TFLITE_TYPE.f32, shape, data: bytesOf(values) });
    }
    const { codes, scales } = quantise(values, shape, axis);
    const type = TFLITE_TYPE.i8;
    const stored = this.#tensor({ ...named, type, shape, data: bytesOf(codes), scales, dimension: axis });
    const index = this.#tensor({ type: TFLITE_TYPE.f32, shape });
    this.#operators.push({
      code: TFLITE_OP.DEQUANTIZE,
      version: 2,
      inputs: [stored],
      outputs: [index],
      options: { type: 38, fields: {} },
    });
    return index;
  }

  #floats(name: string, shape: readonly number[], values: Float32Array): number {
    return this.#tensor({ name, type: TFLITE_TYPE.f32, shape, data: bytesOf(values) });
  }

  #ints(name: string, values: readonly number[]): number {
    return this.#tensor({
      name,
      type: TFLITE_TYPE.i32,
      shape: [values.length],
      data: bytesOf(Int32Array.from(values)),
    });
  }

  #tensor(tensor: TinyTensor): number {
    return this.#tensors.push({ name: `value${this.#tensors.length}`, ...tensor }) - 1;
  }

  #constant(name: string): TensorRef {
    const tensor = this.#model.graph!.tensors.get(name);
    if (tensor === undefined) throw new TypeError(`${name} is not constant`);
    return tensor;
  }
}

/** Symmetric codes with one scale for each index of `axis`. */
function quantise(values: Float32Array, shape: readonly number[], axis: number) {
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const toChannel = (at: number): number => Math.floor(at / inner) % shape[axis];
  const peaks = new Float32Array(shape[axis]);
  values.forEach((value, at) => {
    peaks[toChannel(at)] = Math.max(peaks[toChannel(at)], Math.abs(value));
  });
  const scales = Array.from(peaks, (peak) => Math.fround(peak === 0 ? 1 : peak / 127));
  return { scales, codes: Int8Array.from(values, (value, at) => Math.round(value / scales[toChannel(at)])) };
}

function toFloats(tensor: TensorRef): Float32Array {
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  const values = new Float32Array(tensor.elementCount);
  decodeFloats(tensor.dtype as FloatDType, bytes, values);
  return values;
}

function toInts(node: GraphNode, name: string, otherwise: readonly number[]): readonly number[] {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'ints' ? attribute.values.map(Number) : otherwise;
}

function bytesOf(values: Float32Array | Int32Array | Int8Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
