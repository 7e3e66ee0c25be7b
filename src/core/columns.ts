/** How many terminal columns a text takes, and cutting to fit (UAX #11, abridged). */

const COLOR_CODE = /\u001b\[[0-9;]*m/g;
const COMBINING = /^\p{M}$/u;

/** Columns of `text` on a terminal; colour codes take none, East Asian wide characters and emoji two. */
export function toColumns(text: string): number {
  let columns = 0;
  for (const character of text.replace(COLOR_CODE, '')) columns += toCharacterColumns(character);
  return columns;
}

/** `text` (without colour codes) cut to at most `columns`, with "…" where something was left out in the middle. */
export function toFitting(text: string, columns: number): string {
  if (toColumns(text) <= columns) return text;
  if (columns <= 1) return '…'.slice(0, columns);
  const characters = Array.from(text);
  const tailColumns = Math.floor((columns - 1) / 2);
  const head = takeWhileFits(characters, columns - 1 - tailColumns);
  const tail = takeWhileFits(characters.reverse(), tailColumns);
  return `${head.join('')}…${tail.reverse().join('')}`;
}

/** `text` with spaces added up to `columns`, on the right or on the left. */
export function toPadded(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const spaces = ' '.repeat(Math.max(0, columns - toColumns(text)));
  return align === 'left' ? text + spaces : spaces + text;
}

/** Words of `text` broken into lines of at most `columns`; a longer word stays whole. */
export function toWrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    if (line !== '' && toColumns(line) + 1 + toColumns(word) > columns) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

function takeWhileFits(characters: readonly string[], columns: number): string[] {
  const taken: string[] = [];
  let used = 0;
  for (const character of characters) {
    used += toCharacterColumns(character);
    if (used > columns) break;
    taken.push(character);
  }
  return taken;
}

function toCharacterColumns(character: string): number {
  if (COMBINING.test(character)) return 0;
  return isWide(character.codePointAt(0)!) ? 2 : 1;
}

function isWide(point: number): boolean {
  return (
    point >= 0x1100 &&
    (point <= 0x115f ||
      (point >= 0x2e80 && point <= 0xa4cf) ||
      (point >= 0xac00 && point <= 0xd7a3) ||
      (point >= 0xf900 && point <= 0xfaff) ||
      (point >= 0xfe30 && point <= 0xfe6f) ||
      (point >= 0xff00 && point <= 0xff60) ||
      (point >= 0xffe0 && point <= 0xffe6) ||
      (point >= 0x1f300 && point <= 0x1faff) ||
      (point >= 0x20000 && point <= 0x3fffd))
  );
}
