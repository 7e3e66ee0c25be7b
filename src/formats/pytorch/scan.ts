/** Scans a PyTorch file for what its pickles would import and call, without running them; it also reads what is not opened. */
import { FormatError } from '../../core/errors.ts';
import { FORMAT_LIMITS } from '../../core/limits/formats.ts';
import { openBufferSource } from '../../source/buffer.ts';
import type { ByteSource } from '../../source/ports.ts';
import { readLayout } from './archive.ts';
import { type Container, toContainer } from './container.ts';
import { FindingList, type PickleFinding } from './findings.ts';
import { type MemberContent, openMember } from './member.ts';
import type { NestedPickle } from './machine.ts';
import { type PickleRun, runPickle } from './pickle.ts';
import { type Problem, Reading } from './reading.ts';
import { listTar } from './tar.ts';
import { readZip, type ZipMember } from './zip.ts';

export type { PickleFinding } from './findings.ts';
export type { Severity } from './globals.ts';
export type { Problem } from './reading.ts';

/** A pickle that was found, nested ones included. */
export interface ScannedPickle {
  readonly member: string | null;
  /** Byte offset in the member's content, and of the byte behind it. */
  readonly start: number;
  readonly end: number;
  readonly opcodes: number;
  /** False when it broke off before its STOP; what it found until then counts. */
  readonly isComplete: boolean;
  readonly isNested: boolean;
}

export interface PyTorchScan {
  readonly container: Container;
  readonly findings: readonly PickleFinding[];
  /** Findings beyond the number that is listed. */
  readonly findingsDropped: number;
  /** Violations for which opening would have refused the file; scanning went on behind them. */
  readonly problems: readonly Problem[];
  readonly pickles: readonly ScannedPickle[];
  /** What was not judged, with the reason: a scan with entries here is not "clean". */
  readonly notScanned: readonly { readonly member: string | null; readonly reason: string }[];
}

/**
 * Scans `source`, whatever it is called: an archive of torch.save or TorchScript, a legacy or tar file, a bare pickle.
 * Never throws for what the content says; that is in `problems`.
 * @throws SourceError when the source cannot be read
 */
export function scanPyTorch(source: ByteSource): PyTorchScan {
  const container = toContainer(source);
  const scan = new Scan(source);
  const whole = toContent(source, 0, source.size);
  if (container === 'zip' || container === 'prefixed-zip') scan.scanZip();
  if (container === 'tar') {
    const { members, problem } = listTar(source);
    for (const { name, start, end } of members) scan.scanContent(toContent(source, start, end), name);
    if (problem !== null) scan.leaveOut(problem);
    // A tar is told by one checksum: the same bytes can be a pickle, too.
    scan.scanIfPickle(whole, null);
  }
  if (container === 'legacy') scan.scanContent(whole, null, LEGACY_PICKLES);
  // PyTorch reads whatever lies in front of an archive as a pickle.
  if (container === 'pickle' || container === 'prefixed-zip') scan.scanContent(whole, null);
  return scan.toResult(container);
}

/** Magic number, protocol, system, object, storage keys; raw storages follow. */
const LEGACY_PICKLES = 5;

function toContent(source: ByteSource, start: number, end: number): MemberContent {
  return { source, start, end, toOffset: (at) => at };
}

function isPickleName(name: string): boolean {
  return /\.(?:debug_)?pkl$/i.test(name);
}

class Scan {
  readonly #reading: Reading;
  readonly #findings = new FindingList();
  readonly #pickles: ScannedPickle[] = [];
  readonly #notScanned: { member: string | null; reason: string }[] = [];

  constructor(source: ByteSource) {
    this.#reading = new Reading(source, true);
  }

  toResult(container: Container): PyTorchScan {
    return {
      container,
      findings: this.#findings.list(),
      findingsDropped: this.#findings.dropped,
      problems: this.#reading.problems,
      pickles: this.#pickles,
      notScanned: this.#notScanned,
    };
  }

  /** Notes that something of the file as a whole is not judged. */
  leaveOut(reason: string): void {
    this.#notScanned.push({ member: null, reason });
  }

  scanZip(): void {
    let members: readonly ZipMember[] = [];
    this.#attempt(null, () => {
      const zip = readZip(this.#reading);
      // What is called a pickle comes first: no other member can use up the budget before it.
      members = [...zip.members].sort((a, b) => Number(isPickleName(b.name)) - Number(isPickleName(a.name)));
      readLayout(this.#reading, zip);
    });
    for (const member of members) {
      this.#attempt(member.name, () => {
        this.#scanMember(member);
      });
    }
  }

  /** Runs `act`; a violation that stops it is kept, and `member` counts as not scanned. */
  #attempt(member: string | null, act: () => void): void {
    try {
      act();
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#reading.keep(error);
      this.#notScanned.push({ member, reason: error.code });
    }
  }

  #scanMember(member: ZipMember): void {
    const { name } = member;
    const content = openMember(this.#reading, member);
    if (isPickleName(name)) this.scanContent(content, name);
    else if (/(?:^|\/)code\/.*\.py$/i.test(name)) this.#notScanned.push({ member: name, reason: 'TorchScript code' });
    else this.scanIfPickle(content, name);
  }

  /** What no loader takes for a pickle by its place: scanned when it reads like one. */
  scanIfPickle(content: MemberContent, name: string | null): void {
    if (this.#isPickle(content, content.start)) this.scanContent(content, name);
  }

  /** Pickles one behind the other: a loader that is called again reads on behind a STOP. */
  scanContent(content: MemberContent, name: string | null, picklesMax: number = FORMAT_LIMITS.picklesMax): void {
    let at = content.start;
    for (let count = 0; count < picklesMax; count++) {
      const isOther = count > 0 && !this.#isPickle(content, at);
      const end = isOther ? undefined : this.#scanOne(content, at, name, 0);
      if (isOther) this.#reading.note('PYTORCH_PICKLE_TRAILING', content.toOffset(at), { member: name });
      if (end === undefined || end === content.end) return;
      at = end;
    }
    if (picklesMax === FORMAT_LIMITS.picklesMax) this.#notScanned.push({ member: name, reason: 'too many pickles' });
  }

  /**
   * Weights and byte strings begin like a pickle by chance, but do not go on to name what could be imported; a pickle
   * that names something does so in front of any defect that stops a loader.
   */
  #isPickle(content: MemberContent, at: number): boolean {
    if (content.end - at < 2) return false;
    const probe = new Reading(content.source, true);
    probe.opcodes = this.#reading.opcodes;
    const findings = new FindingList();
    try {
      const run = runPickle({ reading: probe, content, at, member: null, findings });
      if (probe.problems.length === 0 && run.opcodes > 2) return true;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    } finally {
      this.#reading.opcodes = probe.opcodes;
    }
    return findings.list().some(({ name }) => /^[A-Za-z_]\w*(?:\.\w+)+(?:\(\))?$/.test(name));
  }

  /** One pickle; undefined when it breaks off. */
  #scanOne(content: MemberContent, at: number, member: string | null, depth: number): number | undefined {
    const isNested = depth > 0;
    const place = { member, start: at - content.start, isNested };
    try {
      const run = runPickle({ reading: this.#reading, content, at, member, findings: this.#findings, isNested });
      this.#pickles.push({ ...place, end: run.end - content.start, opcodes: run.opcodes, isComplete: true });
      this.#scanNested(content, run, member, depth + 1);
      return run.end;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#reading.keep(error);
      this.#pickles.push({ ...place, end: content.end - content.start, opcodes: 0, isComplete: false });
      this.#notScanned.push({ member, reason: `the pickle breaks off: ${error.code}` });
      return undefined;
    }
  }

  #scanNested(content: MemberContent, run: PickleRun, member: string | null, depth: number): void {
    if (run.hasMoreNested || (run.nested.length > 0 && depth > FORMAT_LIMITS.pickleNestingMax)) {
      this.#notScanned.push({ member, reason: 'more pickles inside byte strings than are read' });
      return;
    }
    for (const nested of run.nested) {
      const inner = this.#openNested(content, nested, member);
      if (inner !== undefined && this.#isPickle(inner, inner.start)) this.#scanOne(inner, inner.start, member, depth);
    }
  }

  #openNested(content: MemberContent, nested: NestedPickle, member: string | null): MemberContent | undefined {
    const { start, end, isText } = nested;
    if (!isText) return { ...content, start, end };
    if (end - start > FORMAT_LIMITS.zipInflatedBytesMax) {
      this.#notScanned.push({ member, reason: 'a long text that begins like a pickle' });
      return undefined;
    }
    const text = Buffer.alloc(end - start);
    content.source.read(start, text);
    const bytes = Buffer.from(text.toString('utf8'), 'latin1');
    const source = openBufferSource(member ?? 'text', bytes);
    return { source, start: 0, end: bytes.length, toOffset: () => content.toOffset(start) };
  }
}
