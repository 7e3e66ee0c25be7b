/**
 * The one hot loop of the trainer as WebAssembly: C += A · B on float32, four rows by eight columns at a time.
 *
 * It is assembled here, instruction by instruction, because JavaScript has no SIMD: the same loop in plain JavaScript
 * reaches about a tenth of the speed. Without relaxed SIMD every result is fixed by the WebAssembly specification,
 * so training gives the same bits on every processor.
 * @see https://webassembly.github.io/spec/core/binary/
 */

const I32 = 0x7f;
const V128 = 0x7b;
const END = 0x0b;
const ROWS = 4;

/** Parameters of the exported function, in order; all i32. Pointers and strides count bytes. */
const PARAMETERS = ['a', 'b', 'c', 'rowTiles', 'columnTiles', 'depth', 'aRow', 'aDepth', 'bDepth', 'cRow'] as const;
/** Scratch variables: loop counters, then moving pointers. */
const COUNTERS = ['row', 'column', 'step', 'bTile', 'cTile', 'bAt', 'a0', 'a1', 'a2', 'a3', 'cAt'] as const;

type IntegerLocal = (typeof PARAMETERS)[number] | (typeof COUNTERS)[number];
const INTEGERS: readonly IntegerLocal[] = [...PARAMETERS, ...COUNTERS];
const sums = INTEGERS.length;
const bLow = sums + 2 * ROWS;
const bHigh = bLow + 1;
const splat = bLow + 2;

const at = (name: IntegerLocal): number => INTEGERS.indexOf(name);
const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const constant = (value: number): number[] => [0x41, value];
const add = [0x6a];
const simd = (code: number, ...rest: number[]): number[] => [0xfd, ...leb(code), ...rest];
const load = (offset: number): number[] => simd(0x00, 2, offset);
const store = (offset: number): number[] => simd(0x0b, 2, offset);
const loadSplat = simd(0x09, 2, 0);
const multiply = simd(0xe6);
const sum = simd(0xe4);

function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

function move(pointer: IntegerLocal, by: number[]): number[] {
  return [...get(at(pointer)), ...by, ...add, ...set(at(pointer))];
}

function copy(from: IntegerLocal, to: IntegerLocal): number[] {
  return [...get(at(from)), ...set(at(to))];
}

/** Runs `body` as often as `counter` says, at least once. */
function repeat(counter: IntegerLocal, body: number[]): number[] {
  return [0x03, 0x40, ...body, ...get(at(counter)), ...constant(1), 0x6b, 0x22, at(counter), 0x0d, 0, END];
}

function eachRow(body: (row: number, pointer: IntegerLocal) => number[]): number[] {
  return [0, 1, 2, 3].flatMap((row) => body(row, `a${row}` as IntegerLocal));
}

/** Loads or stores the 4 x 8 block of C through `cAt`. */
function eachBlockRow(body: (row: number) => number[]): number[] {
  return [...copy('cTile', 'cAt'), ...eachRow((row) => [...body(row), ...move('cAt', get(at('cRow')))])];
}

function innerStep(): number[] {
  return [
    ...[...get(at('bAt')), ...load(0), ...set(bLow), ...get(at('bAt')), ...load(16), ...set(bHigh)],
    ...eachRow((row, pointer) => [
      ...[...get(at(pointer)), ...loadSplat, ...set(splat)],
      ...[...get(sums + 2 * row), ...get(splat), ...get(bLow), ...multiply, ...sum, ...set(sums + 2 * row)],
      ...[...get(sums + 2 * row + 1), ...get(splat), ...get(bHigh), ...multiply, ...sum, ...set(sums + 2 * row + 1)],
      ...move(pointer, get(at('aDepth'))),
    ]),
    ...move('bAt', get(at('bDepth'))),
  ];
}

function tile(): number[] {
  const first = sums;
  return [
    ...eachBlockRow((row) => [
      ...[...get(at('cAt')), ...load(0), ...set(first + 2 * row)],
      ...[...get(at('cAt')), ...load(16), ...set(first + 2 * row + 1)],
    ]),
    ...copy('a', 'a0'),
    ...[1, 2, 3].flatMap((row) => [
      ...[...get(at(`a${row - 1}` as IntegerLocal)), ...get(at('aRow')), ...add, ...set(at(`a${row}` as IntegerLocal))],
    ]),
    ...[...copy('bTile', 'bAt'), ...copy('depth', 'step')],
    ...repeat('step', innerStep()),
    ...eachBlockRow((row) => [
      ...[...get(at('cAt')), ...get(first + 2 * row), ...store(0)],
      ...[...get(at('cAt')), ...get(first + 2 * row + 1), ...store(16)],
    ]),
    ...[...move('bTile', constant(32)), ...move('cTile', constant(32))],
  ];
}

function kernelBody(): number[] {
  const fourRows = (stride: IntegerLocal): number[] => [...get(at(stride)), ...constant(2), 0x74];
  const rows = [
    ...[...copy('b', 'bTile'), ...copy('c', 'cTile'), ...copy('columnTiles', 'column')],
    ...repeat('column', tile()),
    ...[...move('a', fourRows('aRow')), ...move('c', fourRows('cRow'))],
  ];
  const locals = [2, ...[COUNTERS.length, I32], ...[2 * ROWS + 3, V128]];
  return [...locals, ...copy('rowTiles', 'row'), ...repeat('row', rows), END];
}

function section(id: number, content: number[]): number[] {
  return [id, ...leb(content.length), ...content];
}

/** The module: exports `memory` and `multiply(a, b, c, rowTiles, columnTiles, depth, aRow, aDepth, bDepth, cRow)`. */
export function assembleKernel(): Uint8Array {
  const name = (text: string): number[] => [text.length, ...Buffer.from(text)];
  const body = kernelBody();
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, [1, 0x60, PARAMETERS.length, ...PARAMETERS.map(() => I32), 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name('multiply'), 0, 0]),
    ...section(10, [1, ...leb(body.length), ...body]),
  ]);
}
