/** Writes a network as an ONNX file: IR version 8, opset 17, weights as raw little-endian initializers. */
import type { NetworkSpec, Weights } from '../spec.ts';
import type { AttributeValue, ExportGraph, ExportNode, Initializer } from './graph.ts';
import { toExportGraph } from './layers.ts';
import { bytesField, floatField, integerField, signedField, textField } from './protobuf.ts';

const IR_VERSION = 8;
const OPSET = 17;
/** TensorProto.DataType */
const FLOAT = 1;
const INT64 = 7;
/** AttributeProto.AttributeType */
const ATTRIBUTE_TYPE = { float: 1, int: 2, ints: 7 } as const;

function encodeAttribute(name: string, attribute: AttributeValue): Uint8Array {
  const value =
    attribute.kind === 'ints'
      ? attribute.values.map((item) => signedField(8, item))
      : [attribute.kind === 'int' ? signedField(3, attribute.value) : floatField(2, attribute.value)];
  return bytesField(5, textField(1, name), ...value, integerField(20, ATTRIBUTE_TYPE[attribute.kind]));
}

function encodeNode({ name, op, inputs, output, attributes }: ExportNode): Uint8Array {
  return bytesField(
    1,
    ...inputs.map((input) => textField(1, input)),
    ...[textField(2, output), textField(3, name), textField(4, op)],
    ...Object.entries(attributes).map(([key, value]) => encodeAttribute(key, value)),
  );
}

/** The values as little-endian bytes, which every supported platform has in memory already. */
export function toBytes({ values }: Initializer): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function encodeInitializer(initializer: Initializer): Uint8Array {
  const { name, shape, values } = initializer;
  return bytesField(
    5,
    ...shape.map((size) => integerField(1, size)),
    ...[integerField(2, values instanceof Float32Array ? FLOAT : INT64), textField(8, name)],
    bytesField(9, toBytes(initializer)),
  );
}

function encodeValue(field: number, { name, shape, isInteger }: ExportGraph['input']): Uint8Array {
  const dims = shape.map((size) =>
    bytesField(1, typeof size === 'number' ? integerField(1, size) : textField(2, size)),
  );
  const tensorType = bytesField(1, integerField(1, isInteger === true ? INT64 : FLOAT), bytesField(2, ...dims));
  return bytesField(field, textField(1, name), bytesField(2, tensorType));
}

/** The bytes of an .onnx file. @see https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
export function toOnnx(spec: NetworkSpec, weights: Weights): Uint8Array {
  return encodeOnnx(toExportGraph(spec, weights));
}

/** A graph as the bytes of an .onnx file. */
export function encodeOnnx(graph: ExportGraph): Uint8Array {
  const content = [
    ...graph.nodes.map(encodeNode),
    textField(2, graph.name),
    ...graph.initializers.map(encodeInitializer),
    ...[encodeValue(11, graph.input), encodeValue(12, graph.output)],
  ];
  return new Uint8Array(
    Buffer.concat([
      ...[integerField(1, IR_VERSION), textField(2, 'modelward-lab'), bytesField(7, ...content)],
      bytesField(8, textField(1, ''), integerField(2, OPSET)),
    ]),
  );
}
