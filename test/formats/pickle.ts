/** A pickle writer for tests: opcodes as bytes, and what torch.save writes for tensors. It shares no code with the reader. */
import { type Part, join } from './proto.ts';

export { join } from './proto.ts';
export const raw = (text: string): Part => new Uint8Array(Buffer.from(text, 'latin1'));

function le(value: number | bigint, bytes: number): Part {
  const out = new Uint8Array(bytes);
  let rest = BigInt.asUintN(bytes * 8, BigInt(value));
  for (let i = 0; i < bytes; i++, rest >>= 8n) out[i] = Number(rest & 0xffn);
  return out;
}

const op = (code: string | number, ...parts: readonly Part[]): Part =>
  join(typeof code === 'string' ? raw(code) : Uint8Array.of(code), ...parts);

export const MARK = raw('(');
export const STOP = raw('.');
export const POP = raw('0');
export const REDUCE = raw('R');
export const BUILD = raw('b');
export const NONE = raw('N');
export const TRUE = Uint8Array.of(0x88);
export const FALSE = Uint8Array.of(0x89);
export const EMPTY_TUPLE = raw(')');
export const STACK_GLOBAL = Uint8Array.of(0x93);
export const NEWOBJ = Uint8Array.of(0x81);

export const proto = (version: number): Part => op(0x80, Uint8Array.of(version));
export const text = (value: string): Part => {
  const bytes = new Uint8Array(Buffer.from(value));
  return op('X', le(bytes.length, 4), bytes);
};
export const shortText = (value: string): Part => {
  const bytes = new Uint8Array(Buffer.from(value));
  return op(0x8c, Uint8Array.of(bytes.length), bytes);
};
export const bytes = (value: Uint8Array): Part => op('B', le(value.length, 4), value);
export const int = (value: number | bigint): Part => {
  if (value >= 0 && value < 256) return op('K', le(value, 1));
  if (value >= -(2 ** 31) && value < 2 ** 31) return op('J', le(value, 4));
  return op(0x8a, Uint8Array.of(9), le(value, 9));
};
export const global = (module: string, name: string): Part => raw(`c${module}\n${name}\n`);
export const inst = (module: string, name: string): Part => raw(`i${module}\n${name}\n`);
export const put = (index: number): Part => op('q', Uint8Array.of(index));
export const get = (index: number): Part => op('h', Uint8Array.of(index));
export const tuple = (...items: readonly Part[]): Part => join(MARK, ...items, raw('t'));
export const list = (...items: readonly Part[]): Part => join(raw(']'), MARK, ...items, raw('e'));
export const dict = (...flat: readonly Part[]): Part => join(raw('}'), MARK, ...flat, raw('u'));
export const call = (module: string, name: string, ...args: readonly Part[]): Part =>
  join(global(module, name), tuple(...args), REDUCE);

/** A whole pickle of protocol 2. */
export const pickle = (...parts: readonly Part[]): Part => join(proto(2), ...parts, STOP);

export interface StorageSpec {
  readonly type?: string;
  readonly key: string;
  readonly count: number | bigint;
}

/** A persistent id as torch.save writes it. */
export const storage = ({ type = 'FloatStorage', key, count }: StorageSpec): Part =>
  join(tuple(text('storage'), global('torch', type), text(key), text('cpu'), int(count)), raw('Q'));

export interface TensorSpec extends StorageSpec {
  readonly offset?: number;
  readonly size: readonly (number | bigint)[];
  readonly stride: readonly (number | bigint)[];
}

export const hooks: Part = call('collections', 'OrderedDict');

export const tensor = (spec: TensorSpec): Part =>
  call(
    'torch._utils',
    '_rebuild_tensor_v2',
    storage(spec),
    int(spec.offset ?? 0),
    tuple(...spec.size.map(int)),
    tuple(...spec.stride.map(int)),
    FALSE,
    hooks,
  );
