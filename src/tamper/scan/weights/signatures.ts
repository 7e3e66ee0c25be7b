/** Rule T03: files of other kinds at the start of a tensor, or in the low bytes of its weights. */
import type { ScanFinding } from '../finding.ts';

/** At least four bytes each: a tensor of random bytes begins so once in 2^32. */
const SIGNATURES: readonly (readonly [title: string, bytes: readonly number[]])[] = [
  ['an ELF program', [0x7f, 0x45, 0x4c, 0x46]],
  ['a Mach-O program', [0xcf, 0xfa, 0xed, 0xfe]],
  ['a Java class', [0xca, 0xfe, 0xba, 0xbe, 0x00]],
  ['a ZIP archive', [0x50, 0x4b, 0x03, 0x04]],
  ['a 7z archive', [0x37, 0x7a, 0xbc, 0xaf]],
  ['a RAR archive', [0x52, 0x61, 0x72, 0x21]],
  ['a gzip stream', [0x1f, 0x8b, 0x08, 0x00]],
  ['a PDF document', [0x25, 0x50, 0x44, 0x46]],
  ['a script', [0x23, 0x21, 0x2f, 0x62, 0x69, 0x6e]],
  ['a script', [0x23, 0x21, 0x2f, 0x75, 0x73, 0x72]],
];

/** Offset of the pointer to the PE header in an MZ program. */
const PE_POINTER = 0x3c;

export function findSignature(bytes: Uint8Array, where: string, subject: string): ScanFinding | null {
  const title = isWindowsProgram(bytes)
    ? 'a Windows program'
    : SIGNATURES.find(([, start]) => start.every((byte, i) => bytes[i] === byte))?.[0];
  if (title === undefined) return null;
  const message = `What begins ${where} is ${title}.`;
  return { rule: 'T03', severity: 'high', message, subject, kind: 'tensor', path: [], offset: null };
}

function isWindowsProgram(bytes: Uint8Array): boolean {
  if (bytes.length < 64 || bytes[0] !== 0x4d || bytes[1] !== 0x5a) return false;
  const at = bytes[PE_POINTER] | (bytes[PE_POINTER + 1] << 8);
  // The header itself may lie behind what is seen here.
  if (at + 4 > bytes.length) return at < 1024 && bytes[PE_POINTER + 2] === 0 && bytes[PE_POINTER + 3] === 0;
  return bytes[at] === 0x50 && bytes[at + 1] === 0x45 && bytes[at + 2] === 0 && bytes[at + 3] === 0;
}
