import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { FindingList } from '../../src/formats/pytorch/findings.ts';
import { type MemberContent, openMember } from '../../src/formats/pytorch/member.ts';
import { runPickle } from '../../src/formats/pytorch/pickle.ts';
import { Reading } from '../../src/formats/pytorch/reading.ts';
import { readZip } from '../../src/formats/pytorch/zip.ts';
import { openBufferSource } from '../../src/source/buffer.ts';
import { openBytes } from '../formats/models.ts';
import { mutateTorch } from '../formats/mutate-torch.ts';
import { toRng } from '../formats/random.ts';
import { findTorchError } from '../formats/torch.ts';
import { describeWithProgram } from '../shared-data.ts';

const PYTHON = join(import.meta.dirname, '../oracles/.venv/bin/python');
const SCRIPT = join(import.meta.dirname, 'pytorch_pickles.py');
const FIXTURES = join(import.meta.dirname, '../fixtures/pytorch');

type Step = [opcode: string, position: number];
interface Answer {
  readonly members: readonly [name: string, start: number, size: number, method: number, crc: number][] | null;
  readonly opcodes: Readonly<Record<string, readonly Step[]>>;
  readonly tensors: readonly [name: string, shape: readonly number[], sha256: string][] | null;
}

const base = mkdtempSync(join(tmpdir(), 'modelward-oracle-pt-'));
afterAll(() => {
  rmSync(base, { recursive: true });
});

function ask(files: ReadonlyMap<string, Uint8Array>): Map<string, Answer> {
  const folder = mkdtempSync(join(base, 'files-'));
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  const text = execFileSync(PYTHON, [SCRIPT, folder], { maxBuffer: 2 ** 29 }).toString();
  return new Map(Object.entries(JSON.parse(text) as Record<string, Answer>));
}

/** The opcodes of one pickle as they are followed here; "error" where that ends before its STOP. */
function listOpcodes(reading: Reading, content: MemberContent): Step[] {
  const steps: Step[] = [];
  const onOpcode = ({ name, at }: { name: string; at: number }): void => void steps.push([name, at - content.start]);
  try {
    runPickle({ reading, content, at: content.start, member: null, findings: new FindingList(), onOpcode });
  } catch {
    steps.push(['error', -1]);
  }
  return steps;
}

/** The pickles of a file by member; none for an archive that is refused here, whatever zipfile makes of it. */
function findPickles(reading: Reading, answer: Answer): ReadonlyMap<string, MemberContent> {
  const { source } = reading;
  if (answer.members === null) return new Map([['', { source, start: 0, end: source.size, toOffset: (at) => at }]]);
  const found = new Map<string, MemberContent>();
  findTorchError(() => {
    for (const member of readZip(new Reading(source, false)).members) {
      if (member.name in answer.opcodes) found.set(member.name, openMember(reading, member));
    }
  });
  return found;
}

/** @returns the number of opcodes that were compared */
function assertSameOpcodes(file: string, bytes: Uint8Array, answer: Answer): number {
  const reading = new Reading(openBufferSource(file, bytes), true);
  let compared = 0;
  for (const [name, content] of findPickles(reading, answer)) {
    const theirs = answer.opcodes[name];
    const ours = listOpcodes(reading, content);
    const isTheirsWhole = theirs[theirs.length - 1][0] === 'STOP';
    // Where pickletools stops at an argument that no loader minds, the lists agree until there.
    const length = isTheirsWhole ? theirs.length : Math.min(theirs.length, ours.length) - 1;
    expect(ours.slice(0, length), `${file} ${name}`).toEqual(theirs.slice(0, length));
    compared += length;
  }
  return compared;
}

function toRows(bytes: Uint8Array, name: string): [string, readonly number[], string][] {
  const rows = openBytes(bytes, name)
    .tensors.filter((tensor) => !tensor.name.startsWith('constants.'))
    .map((tensor): [string, readonly number[], string] => {
      const content = new Uint8Array(tensor.byteLength);
      tensor.read(0, content);
      return [tensor.name, tensor.shape, createHash('sha256').update(content).digest('hex')];
    });
  return rows.sort((a, b) => (a[0] < b[0] ? -1 : 1));
}

describeWithProgram('PyTorch archives against zipfile, pickletools and pickle', PYTHON, ['-c', 'import numpy'], () => {
  const real = new Map<string, Uint8Array>();
  for (const version of ['1.13', '2.9']) {
    for (const name of ['kinds', 'checkpoint', 'module', 'protocol4', 'legacy', 'script', 'traced']) {
      real.set(`${version}-${name}.pt`, readFileSync(join(FIXTURES, version, `${name}.pt`)));
    }
  }

  test('files of PyTorch: the same members, opcodes and tensors', () => {
    for (const [file, answer] of ask(real)) {
      const bytes = real.get(file)!;
      expect(assertSameOpcodes(file, bytes, answer)).toBeGreaterThan(0);
      if (answer.members === null) continue;
      const { members } = readZip(new Reading(openBufferSource(file, bytes), false));
      const ours = members.map(({ name, dataStart, sizeBytes, method, crc }) => [
        name,
        dataStart,
        sizeBytes,
        method,
        crc,
      ]);
      expect(ours.sort()).toEqual([...answer.members].sort());
      expect(toRows(bytes, file), file).toEqual(answer.tensors);
    }
  });

  test('1,500 mutants: opcodes agree, and what is opened here reads as Python reads it', () => {
    const files = new Map<string, Uint8Array>();
    for (let i = 0; i < 1500; i++) files.set(String(i), mutateTorch(toRng(31_000_000 + i)).bytes);
    let [opened, compared] = [0, 0];
    for (const [file, answer] of ask(files)) {
      const bytes = files.get(file)!;
      compared += assertSameOpcodes(file, bytes, answer);
      if (findTorchError(() => openBytes(bytes, 'm.pt')) !== undefined || answer.tensors === null) continue;
      opened++;
      const reachable = toRows(bytes, 'm.pt').filter(([name]) => !/(?:^|\.)unreached\.|~/.test(name));
      const theirs = new Map(answer.tensors.map(([name, ...rest]) => [name, rest]));
      for (const [name, ...rest] of reachable) if (theirs.has(name)) expect(rest, file).toEqual(theirs.get(name));
    }
    expect(opened).toBeGreaterThan(60);
    expect(compared).toBeGreaterThan(50_000);
  });
});
