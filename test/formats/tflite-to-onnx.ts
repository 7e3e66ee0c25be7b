/** Converts the TFLite networks of `onnx-to-tflite.ts` back to ONNX: kernels and flattened weights in ONNX's order. */
import { decodeFloats, type FloatDType } from '../../src/model/floats.ts';
import type { Model } from '../../src/model/types.ts';
import * as P from './proto.ts';

/** @throws TypeError for an operator that this converter does not know */
export function toOnnx(model: Model): Uint8Array {
  const graph = model.graph!;
  const parts: P.Part[] = [];
  const shapes = new Map([...graph.values].map(([name, { shape }]) => [name, (shape ?? []) as readonly number[]]));
  /** Channels and places of what was flattened into a value. */
  const flattened = new Map<string, readonly [number, number]>();
  const put = (name: string, shape: readonly number[], values: Float32Array): string => {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    parts.push(P.initializer(P.tensor(name, P.CODE.f32, [...shape], P.len(9, bytes))));
    return name;
  };
  const toWeight = (name: string, shape: readonly number[], from: (at: number) => number): string => {
    const values = toFloats(model, name);
    return put(
      `onnx.${name}`,
      shape,
      values.map((_, at) => values[from(at)]),
    );
  };
  for (const node of graph.nodes) {
    const [x, weight, bias] = node.inputs;
    const [y] = node.outputs;
    const add = (op: string, inputs: readonly string[], ...more: P.Part[]): void => {
      parts.push(P.node(op, [...inputs], [y], ...more));
    };
    const withBias = (op: string, name: string, ...more: P.Part[]): void => {
      add(op, [x, name, put(`onnx.${bias}`, shapes.get(bias)!, toFloats(model, bias))], ...more);
    };
    switch (node.op) {
      case 'CONV_2D': {
        const [out, height, width, inner] = shapes.get(weight)!;
        const places = height * width;
        const shape = [out, inner, height, width];
        withBias(
          'Conv',
          toWeight(weight, shape, (at) => {
            const [o, i, place] = [Math.floor(at / (inner * places)), Math.floor(at / places) % inner, at % places];
            return (o * places + place) * inner + i;
          }),
        );
        break;
      }
      case 'FULLY_CONNECTED': {
        const [out, width] = shapes.get(weight)!;
        const [channels, places] = flattened.get(x) ?? [width, 1];
        const name = toWeight(weight, [out, width], (at) => {
          const i = at % width;
          return at - i + (i % places) * channels + Math.floor(i / places);
        });
        withBias('Gemm', name, P.attribute('transB', 2, P.int(3, 1)));
        break;
      }
      case 'RESHAPE': {
        const [, height, width, channels] = shapes.get(x)!;
        flattened.set(y, [channels, height * width]);
        add('Flatten', [x]);
        break;
      }
      default:
        add(toPlainOp(node.op), node.op === 'ADD' ? node.inputs : [x]);
    }
  }
  const outputs = graph.outputs.map(({ name }) => P.len(12, P.str(1, name)));
  return P.model(P.join(...parts, ...outputs));
}

const PLAIN: Readonly<Record<string, string | undefined>> = {
  RELU: 'Relu',
  ADD: 'Add',
  PAD: 'Identity',
  MEAN: 'GlobalAveragePool',
  MAX_POOL_2D: 'MaxPool',
};

function toPlainOp(op: string): string {
  const plain = PLAIN[op];
  if (plain === undefined) throw new TypeError(`no conversion of ${op}`);
  return plain;
}

function toFloats(model: Model, name: string): Float32Array {
  const tensor = model.graph!.tensors.get(name)!;
  const bytes = new Uint8Array(tensor.byteLength);
  tensor.read(0, bytes);
  const values = new Float32Array(tensor.elementCount);
  decodeFloats(tensor.dtype as FloatDType, bytes, values);
  return values;
}
