/** Packed values as text: the numbers of JSON and CSV answers. */
import { GatewayError } from '../../core/errors.ts';
import { decodeFloats } from '../../model/floats.ts';
import type { NamedTensor } from '../ports.ts';

/** Of so few values the text is put together as it grows: an array of tokens costs more. */
const FEW_BYTES = 1024;

/**
 * Every value as a JSON token: integers exactly, floats in the shortest form that reads back as the same double (an FP32
 * is written as the double that it is).
 * @param decimals places at most, for tensors that were rounded to them: 0.1 then stands for the FP32 next to it; null
 *   writes the value as it is
 * @throws GatewayError GATEWAY_ANSWER_VALUE for NaN and infinities, which JSON does not have
 */
export function toTokens(tensor: NamedTensor, decimals: number | null = null): string[] {
  const { data, dtype } = tensor;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const tokens: string[] = [];
  switch (dtype) {
    case 'f32':
      for (let at = 0; at < data.length; at += 4) tokens.push(toToken(view.getFloat32(at, true), decimals, tensor));
      return tokens;
    case 'f64':
      for (let at = 0; at < data.length; at += 8) tokens.push(toToken(view.getFloat64(at, true), decimals, tensor));
      return tokens;
    case 'f16':
    case 'bf16': {
      const values = new Float64Array(data.length / 2);
      decodeFloats(dtype, data, values);
      for (const value of values) tokens.push(toToken(value, decimals, tensor));
      return tokens;
    }
    case 'bool':
      for (const code of data) tokens.push(code === 0 ? 'false' : 'true');
      return tokens;
    case 'i64':
      for (let at = 0; at < data.length; at += 8) tokens.push(view.getBigInt64(at, true).toString());
      return tokens;
    case 'u64':
      for (let at = 0; at < data.length; at += 8) tokens.push(view.getBigUint64(at, true).toString());
      return tokens;
    case 'i32':
      for (let at = 0; at < data.length; at += 4) tokens.push(String(view.getInt32(at, true)));
      return tokens;
    case 'u32':
      for (let at = 0; at < data.length; at += 4) tokens.push(String(view.getUint32(at, true)));
      return tokens;
    case 'i16':
      for (let at = 0; at < data.length; at += 2) tokens.push(String(view.getInt16(at, true)));
      return tokens;
    case 'u16':
      for (let at = 0; at < data.length; at += 2) tokens.push(String(view.getUint16(at, true)));
      return tokens;
    case 'i8':
      for (let at = 0; at < data.length; at++) tokens.push(String(view.getInt8(at)));
      return tokens;
    case 'u8':
      for (const code of data) tokens.push(String(code));
      return tokens;
    default:
      throw new GatewayError('GATEWAY_ANSWER_SHAPE', { fields: { at: tensor.name } });
  }
}

/** The tokens of {@link toTokens} with commas between them. @throws GatewayError as that does */
export function toListText(tensor: NamedTensor, decimals: number | null): string {
  const { data, dtype } = tensor;
  if (dtype !== 'f32' || data.length > FEW_BYTES) return toTokens(tensor, decimals).join(',');
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let text = '';
  for (let at = 0; at < data.length; at += 4) {
    const token = toToken(view.getFloat32(at, true), decimals, tensor);
    text = at === 0 ? token : `${text},${token}`;
  }
  return text;
}

function toToken(value: number, decimals: number | null, tensor: NamedTensor): string {
  if (value - value !== 0) throw new GatewayError('GATEWAY_ANSWER_VALUE', { fields: { at: tensor.name } });
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  // From 1e21 on toFixed writes exponents itself.
  return decimals === null ? String(value) : String(Number(value.toFixed(decimals)));
}

/** Tokens of one tensor as arrays in arrays; of a tensor without axes the value alone. */
export function toNestedText(tokens: readonly string[], shape: readonly number[]): string {
  if (shape.length === 0) return tokens[0] ?? 'null';
  let parts: readonly string[] = tokens;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis];
    const groups: string[] = [];
    for (let at = 0; at < parts.length; at += size) groups.push(`[${parts.slice(at, at + size).join(',')}]`);
    parts = groups;
  }
  return parts[0] ?? '[]';
}
