/**
 * Runs the transcripts beside this file: `$ command`, the expected stdout, lines with "! " for stderr, and `? exit code`.
 * What differs from run to run is written as <folder>, <hex>, <uuid>, <time>, <key> or <number>.
 * TRANSCRIPTS=write puts what the commands print into the files, to be read and judged before it is committed.
 */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createWorkplace, samples, type Workplace } from '../e2e/command.ts';

interface Step {
  readonly line: string;
  readonly args: readonly string[];
  readonly expected: string;
}

const folder = import.meta.dirname;
const isWriting = process.env.TRANSCRIPTS === 'write';

function parseTranscript(text: string): Step[] {
  return text
    .split(/^\$ modelward /m)
    .slice(1)
    .map((block) => {
      const end = block.indexOf('\n');
      const line = block.slice(0, end);
      return { line, args: line.split(' '), expected: block.slice(end + 1).trimEnd() };
    });
}

function toNormal(text: string, place: Workplace): string {
  return text
    .replaceAll(place.folder, '<folder>')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
    .replace(/modelward\/[0-9a-f]{16}/g, 'modelward/<key>')
    .replace(/[0-9a-f]{64}/g, '<hex>')
    .replace(/[0-9a-f]{16}…/g, '<hex>…')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '<time>')
    .replace(/mlp-[0-9a-f]{12}\.claim/g, 'mlp-<hex>.claim')
    .replace(/\d+\.\d+( bits)/g, '<number>$1')
    .replace(/^(spread\S+) +(\d+) +(\d+) +\d+\.\d +(yes|no)$/gm, (_row, ...cells: string[]) => {
      const [reading, bits, wrong, aligned] = cells;
      // An unmarked model agrees by chance with about half of the bits.
      const errors = Number(wrong) > 80 ? '<half>' : wrong;
      return `${reading} ${bits} ${errors} <number> ${aligned}`;
    });
}

describe.each(readdirSync(folder).filter((name) => name.endsWith('.txt')))('%s', (name) => {
  let place: Workplace;
  beforeAll(() => {
    place = createWorkplace({ isOneProcess: true });
    for (const sample of ['mlp.onnx', 'cnn.onnx', 'eval.npz'])
      cpSync(join(samples, sample), join(place.folder, sample));
    const marked = readFileSync(join(samples, 'mlp.onnx'));
    marked[200_000] ^= 0x40;
    writeFileSync(join(place.folder, 'flipped.onnx'), marked);
  });
  const printed: string[] = [];
  afterAll(() => {
    place.remove();
    if (isWriting) writeFileSync(join(folder, name), printed.join('\n'));
  });

  test.each(parseTranscript(readFileSync(join(folder, name), 'utf8')))('$line', ({ line, args, expected }) => {
    const { stdout, stderr, status } = place.run(args);
    const told = stderr
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => `! ${line}`);
    const actual = [stdout.trimEnd(), ...told, `? ${status}`].filter((part) => part !== '').join('\n');
    printed.push(`$ modelward ${line}\n${toNormal(actual, place)}\n`);
    if (!isWriting) expect(toNormal(actual, place)).toBe(expected);
  });
});
