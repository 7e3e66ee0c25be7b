/** Operators between real numbers and codes. */
import { findOnnxDType } from '../../../formats/index.ts';
import type { DType } from '../../../model/dtype.ts';
import { type Call, one, type Rule } from '../call.ts';
import { toTensorType } from '../types.ts';

function toOutputDType(call: Call): DType | null {
  const code = call.int('output_dtype', 0);
  return code === 0 ? null : (findOnnxDType(code) ?? null);
}

const quantize: Rule = (call) => {
  const dtype = call.has(2) ? call.tensor(2).dtype : (toOutputDType(call) ?? 'u8');
  return one(toTensorType(dtype, call.shape(0)));
};

const dequantize: Rule = (call) => one(toTensorType(toOutputDType(call) ?? call.tensor(1).dtype, call.shape(0)));

const dynamicQuantize: Rule = (call) => [
  toTensorType('u8', call.shape(0)),
  toTensorType('f32', []),
  toTensorType('u8', []),
];

export const QUANTIZE: Readonly<Record<string, Rule>> = {
  DequantizeLinear: dequantize,
  DynamicQuantizeLinear: dynamicQuantize,
  QuantizeLinear: quantize,
};
