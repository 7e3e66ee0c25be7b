/** Rules P01 and P02: what loading a PyTorch file would do, told from its pickles without running them. */
import { scanPyTorch } from '../../formats/index.ts';
import type { ByteSource } from '../../source/ports.ts';
import type { ScanFinding, ScannedPart } from './finding.ts';

export interface PickleScan {
  readonly findings: readonly ScanFinding[];
  readonly scanned: readonly ScannedPart[];
  readonly notScanned: readonly ScannedPart[];
}

/** @throws SourceError */
export function scanPickles(source: ByteSource): PickleScan {
  const scan = scanPyTorch(source);
  const imports = scan.findings
    .filter(({ severity }) => severity !== 'allowlisted')
    .map(({ member, offset, opcode, name, severity, count, isNested }): ScanFinding => {
      const isDangerous = severity === 'dangerous';
      const where = `${member === null ? 'the file' : `"${member}"`}${isNested ? ' (inside a byte string)' : ''}`;
      const times = count === 1 ? '' : `, ${count} times`;
      const what = isDangerous ? 'which runs code or reaches the system' : 'which tensors do not need';
      const message = `Loading ${where} would use ${name}, ${what} (${opcode}${times}).`;
      const grade = isDangerous ? 'high' : 'suspicious';
      return { rule: 'P01', severity: grade, message, subject: member, kind: 'member', path: [], offset };
    });
  const oddities = scan.problems.map(({ code, offset, message, fields }): ScanFinding => {
    const member = typeof fields.member === 'string' ? fields.member : null;
    const text = `${message} (${code})`;
    return { rule: 'P02', severity: 'suspicious', message: text, subject: member, kind: 'member', path: [], offset };
  });
  const complete = scan.pickles.filter(({ isComplete }) => isComplete);
  const opcodes = complete.reduce((sum, pickle) => sum + pickle.opcodes, 0);
  const dropped = scan.findingsDropped;
  return {
    findings: [...imports, ...oddities],
    scanned: [{ part: 'pickles', detail: `${complete.length} pickles, ${opcodes} opcodes, in a ${scan.container}` }],
    notScanned: [
      ...scan.notScanned.map(({ member, reason }) => ({ part: member ?? 'the file', detail: reason })),
      ...(dropped > 0 ? [{ part: 'pickles', detail: `${dropped} names beyond those that are listed` }] : []),
    ],
  };
}
