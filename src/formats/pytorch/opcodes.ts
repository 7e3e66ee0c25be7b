/** The opcodes of pickle protocols 0 to 5, with how long the argument of each is. */

/**
 * u1, u2, u4, u8: unsigned little-endian; i4 signed. bytes1, bytes4, bytes8: a length of that many bytes, then content;
 * raw4 has a signed length. line: up to a newline; line2: two of them.
 */
type ArgumentKind =
  | 'none'
  | 'u1'
  | 'u2'
  | 'u4'
  | 'u8'
  | 'i4'
  | 'f8'
  | 'line'
  | 'line2'
  | 'bytes1'
  | 'bytes4'
  | 'bytes8'
  | 'raw4';

interface Opcode {
  readonly name: string;
  readonly argument: ArgumentKind;
}

const rows = {
  '(': 'MARK',
  '.': 'STOP',
  '0': 'POP',
  '1': 'POP_MARK',
  '2': 'DUP',
  F: 'FLOAT line',
  I: 'INT line',
  J: 'BININT i4',
  K: 'BININT1 u1',
  L: 'LONG line',
  M: 'BININT2 u2',
  N: 'NONE',
  P: 'PERSID line',
  Q: 'BINPERSID',
  R: 'REDUCE',
  S: 'STRING line',
  T: 'BINSTRING raw4',
  U: 'SHORT_BINSTRING bytes1',
  V: 'UNICODE line',
  X: 'BINUNICODE bytes4',
  a: 'APPEND',
  b: 'BUILD',
  c: 'GLOBAL line2',
  d: 'DICT',
  '}': 'EMPTY_DICT',
  e: 'APPENDS',
  g: 'GET line',
  h: 'BINGET u1',
  i: 'INST line2',
  j: 'LONG_BINGET u4',
  l: 'LIST',
  ']': 'EMPTY_LIST',
  o: 'OBJ',
  p: 'PUT line',
  q: 'BINPUT u1',
  r: 'LONG_BINPUT u4',
  s: 'SETITEM',
  t: 'TUPLE',
  ')': 'EMPTY_TUPLE',
  u: 'SETITEMS',
  G: 'BINFLOAT f8',
  '\x80': 'PROTO u1',
  '\x81': 'NEWOBJ',
  '\x82': 'EXT1 u1',
  '\x83': 'EXT2 u2',
  '\x84': 'EXT4 i4',
  '\x85': 'TUPLE1',
  '\x86': 'TUPLE2',
  '\x87': 'TUPLE3',
  '\x88': 'NEWTRUE',
  '\x89': 'NEWFALSE',
  '\x8a': 'LONG1 bytes1',
  '\x8b': 'LONG4 raw4',
  B: 'BINBYTES bytes4',
  C: 'SHORT_BINBYTES bytes1',
  '\x8c': 'SHORT_BINUNICODE bytes1',
  '\x8d': 'BINUNICODE8 bytes8',
  '\x8e': 'BINBYTES8 bytes8',
  '\x8f': 'EMPTY_SET',
  '\x90': 'ADDITEMS',
  '\x91': 'FROZENSET',
  '\x92': 'NEWOBJ_EX',
  '\x93': 'STACK_GLOBAL',
  '\x94': 'MEMOIZE',
  '\x95': 'FRAME u8',
  '\x96': 'BYTEARRAY8 bytes8',
  '\x97': 'NEXT_BUFFER',
  '\x98': 'READONLY_BUFFER',
} as const;

type NameOf<T extends string> = T extends `${infer Name} ${string}` ? Name : T;
export type OpcodeName = NameOf<(typeof rows)[keyof typeof rows]>;

/** By byte; undefined where no protocol has an opcode. @see Python's pickletools.py */
export const OPCODES: readonly ((Opcode & { readonly name: OpcodeName }) | undefined)[] = toTable();

function toTable(): ((Opcode & { readonly name: OpcodeName }) | undefined)[] {
  const table = new Array<(Opcode & { readonly name: OpcodeName }) | undefined>(256).fill(undefined);
  for (const [char, row] of Object.entries(rows)) {
    const [name, argument = 'none'] = row.split(' ') as [OpcodeName, ArgumentKind?];
    table[char.charCodeAt(0)] = { name, argument };
  }
  return table;
}

/** Highest protocol that any pickle names. */
export const PROTOCOL_MAX = 5;
