/** A built-in font of 5 × 7 dots, so that text marks look the same on every machine and need no font file. */

/** Seven rows from the top, each one digit in base 32: five dots, the left one highest. Lower case is set as capitals. */
const GLYPHS: Readonly<Record<string, string | undefined>> = Object.assign(
  Object.create(null) as Record<string, string>,
  {
    A: 'ehhvhhh', B: 'uhhuhhu', C: 'ehggghe', D: 'uhhhhhu', E: 'vgguggv', F: 'vgguggg', G: 'ehgnhhf', H: 'hhhvhhh',
    I: 'e44444e', J: '72222ic', K: 'hikokih', L: 'ggggggv', M: 'hrllhhh', N: 'hhpljhh', O: 'ehhhhhe', P: 'uhhuggg',
    Q: 'ehhhlid', R: 'uhhukih', S: 'fgge11u', T: 'v444444', U: 'hhhhhhe', V: 'hhhhha4', W: 'hhhllla', X: 'hha4ahh',
    Y: 'hhha444', Z: 'v1248gv', '0': 'ehjlphe', '1': '4c4444e', '2': 'eh1248v', '3': 'v2421he', '4': '26aiv22',
    '5': 'vgu11he', '6': '68guhhe', '7': 'v124888', '8': 'ehhehhe', '9': 'ehhf12c', ' ': '0000000', '.': '00000cc',
    ',': '0000c48', ':': '0cc0cc0', ';': '0cc0c48', '-': '000v000', _: '000000v', '/': '01248g0', '(': '2488842',
    ')': '8422248', '!': '4444404', '?': 'eh12404', "'": '4480000', '"': 'aaa0000', '+': '044v440', '=': '00v0v00',
    '&': 'cik8lid', '@': 'eh1dlle', '#': 'aavavaa', '%': 'op248j3', '*': '04lel40', '<': '248g842', '>': '8421248',
    '[': 'e88888e', ']': 'e22222e', '©': 'ehnpnhe',
  } as const,
); // biome-ignore format: a table

/** What stands for characters that the font does not have. */
const UNKNOWN = 'vhhhhhv';
const ROWS = 7;
const COLUMNS = 5;
/** Room for the dark rim around the dots. */
const RIM = 1;
const LINE_CHARS = 40;

/** Dots: 0 nothing, 1 the dark rim, 2 the letter. */
export interface Dots {
  readonly height: number;
  readonly width: number;
  readonly values: Uint8Array;
}

/** The text in lines of at most 40 characters, with a dark rim, so that it is seen on any ground. */
export function toDots(text: string): Dots {
  const lines = toLines(text);
  const columns = Math.max(1, ...lines.map((line) => line.length));
  const width = columns * (COLUMNS + 1) - 1 + 2 * RIM;
  const height = lines.length * (ROWS + 2) - 2 + 2 * RIM;
  const values = new Uint8Array(width * height);
  lines.forEach((line, row) => {
    line.forEach((char, column) => {
      setGlyph({ values, width }, char, RIM + row * (ROWS + 2), RIM + column * (COLUMNS + 1));
    });
  });
  addRim({ values, width, height });
  return { values, width, height };
}

function toLines(text: string): string[][] {
  const chars = Array.from(text.replaceAll(/\s+/g, ' ').trim());
  const lines: string[][] = [];
  for (let at = 0; at < chars.length; at += LINE_CHARS) lines.push(chars.slice(at, at + LINE_CHARS));
  return lines.length === 0 ? [[]] : lines;
}

function setGlyph(
  dots: { readonly values: Uint8Array; readonly width: number },
  char: string,
  top: number,
  left: number,
): void {
  const rows = GLYPHS[char.toUpperCase()] ?? UNKNOWN;
  for (let y = 0; y < ROWS; y++) {
    const bits = Number.parseInt(rows[y], 32);
    for (let x = 0; x < COLUMNS; x++) {
      if ((bits >> (COLUMNS - 1 - x)) & 1) dots.values[(top + y) * dots.width + left + x] = 2;
    }
  }
}

function addRim({ values, width, height }: Dots): void {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (values[y * width + x] === 0 && hasNeighbour({ values, width, height }, y, x)) values[y * width + x] = 1;
    }
  }
}

function hasNeighbour({ values, width, height }: Dots, y: number, x: number): boolean {
  for (let row = Math.max(0, y - 1); row <= Math.min(height - 1, y + 1); row++) {
    for (let column = Math.max(0, x - 1); column <= Math.min(width - 1, x + 1); column++) {
      if (values[row * width + column] === 2) return true;
    }
  }
  return false;
}
