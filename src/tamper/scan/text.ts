/** Rules T01 to T05: text where no program belongs. Everything outside the tensors is searched, whatever it is for. */
import { toPrintable } from '../../core/printable.ts';
import { SCAN_LIMITS } from '../../core/limits/scan.ts';
import type { Model } from '../../model/types.ts';
import type { ByteSource } from '../../source/ports.ts';
import type { ScanFinding, ScannedPart } from './finding.ts';
import type { ScanRuleId } from './rules.ts';

interface TextRule {
  readonly rule: ScanRuleId;
  readonly severity: ScanFinding['severity'];
  readonly pattern: RegExp;
  readonly title: string;
}

const CODE =
  /\b(?:os\.(?:system|popen|exec[lv]p?e?)\b|subprocess\.\w+|__import__\s*\(|builtins\.(?:exec|eval)|exec\s*\(\s*(?:compile|base64|open|zlib|marshal)|eval\s*\(\s*(?:compile|base64|input|atob|open)|socket\.socket\s*\(|ctypes\.\w*dll|marshal\.loads|pickle\.loads?\s*\(|base64\.b64decode|powershell(?:\.exe)?\s+-|cmd\.exe|Invoke-(?:Expression|WebRequest)|curl\s+-\w|wget\s+http|document\.cookie)|\/bin\/(?:ba)?sh\b|<script\b/;

const RULES: readonly TextRule[] = [
  { rule: 'T01', severity: 'high', pattern: CODE, title: 'Program code' },
  { rule: 'T02', severity: 'suspicious', pattern: /[A-Za-z0-9+/_-]{600,}/, title: 'A packed run of text' },
  { rule: 'T04', severity: 'benign', pattern: /\bhttps?:\/\/[\w.-]+(?::\d+)?/, title: 'An address' },
];

/** Characters that no eye sees or that turn the direction of text; tags of U+E0000 carry whole hidden texts. */
const HIDDEN = /[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\u{e0000}-\u{e007f}]/u;

const PIECE_BYTES = 4 * 1024 * 1024;
/** Longest match that may lie across two pieces. */
const OVERLAP_BYTES = 1024;

interface Gap {
  readonly source: ByteSource;
  readonly start: number;
  readonly end: number;
  readonly isFirstFile: boolean;
}

export interface TextScan {
  readonly findings: readonly ScanFinding[];
  readonly scanned: readonly ScannedPart[];
  readonly notScanned: readonly ScannedPart[];
}

/** @throws SourceError */
export function scanText(model: Model): TextScan {
  // A GGUF vocabulary is text of all kinds; its metadata is looked at entry by entry.
  const gaps = model.format === 'gguf' ? [] : toGaps(model);
  const bytes = gaps.reduce((sum, { start, end }) => sum + end - start, 0);
  const findings = scanEntries(model);
  if (bytes > SCAN_LIMITS.gapBytesMax) {
    return {
      findings,
      scanned: [],
      notScanned: [{ part: 'text', detail: `${bytes} bytes outside tensors are too many` }],
    };
  }
  const once = new Map<string, ScanFinding>();
  for (const gap of gaps) scanGap(gap, once);
  const rest = model.format === 'gguf' ? 'without the words of the vocabulary' : `${bytes} bytes outside tensors`;
  const detail = `${model.metadata.size} metadata entries, ${rest}`;
  return { findings: [...findings, ...once.values()], scanned: [{ part: 'text', detail }], notScanned: [] };
}

/** The bytes that belong to no tensor; texts of string tensors count as outside. */
function toGaps(model: Model): Gap[] {
  const spans = model.tensors
    .filter(({ dtype }) => dtype !== 'string')
    .map(({ fileIndex, start, end }) => ({ fileIndex, start, end }))
    .sort((a, b) => a.fileIndex - b.fileIndex || a.start - b.start);
  return model.files.flatMap(({ source }, fileIndex) => {
    const gaps: Gap[] = [];
    const isFirstFile = fileIndex === 0;
    let at = 0;
    for (const span of spans) {
      if (span.fileIndex !== fileIndex) continue;
      if (span.start > at) gaps.push({ source, start: at, end: span.start, isFirstFile });
      at = Math.max(at, span.end);
    }
    if (at < source.size) gaps.push({ source, start: at, end: source.size, isFirstFile });
    return gaps;
  });
}

function scanGap({ source, start, end, isFirstFile }: Gap, once: Map<string, ScanFinding>): void {
  for (let at = start; at < end; at += PIECE_BYTES - OVERLAP_BYTES) {
    const bytes = Buffer.alloc(Math.min(PIECE_BYTES, end - at));
    source.read(at, bytes);
    for (const finding of findText(bytes.toString('latin1'), isFirstFile ? at : null)) {
      const key = `${finding.rule}\0${finding.message}`;
      if (!once.has(key)) once.set(key, finding);
    }
  }
}

/** Findings in one text; `offset` is where it lies in the first file, when it does. */
export function findText(text: string, offset: number | null, subject: string | null = null): ScanFinding[] {
  return RULES.flatMap(({ rule, severity, pattern, title }): ScanFinding[] => {
    const match = pattern.exec(text);
    if (match === null || (rule === 'T02' && !isPacked(match[0]))) return [];
    const where = subject === null ? 'outside the tensors' : `in "${subject}"`;
    const message = `${title} ${where}: ${toExcerpt(text, match.index, match[0].length)}`;
    const at = offset === null ? null : offset + match.index;
    return [{ rule, severity, message, subject, kind: subject === null ? 'file' : 'metadata', path: [], offset: at }];
  });
}

/** Names repeat themselves; what is packed uses most of the alphabet, evenly. */
function isPacked(run: string): boolean {
  const counts = new Map<string, number>();
  for (const character of run) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / run.length) * Math.log2(count / run.length);
  return bits > 5;
}

function toExcerpt(text: string, at: number, length: number): string {
  const { excerptLengthMax } = SCAN_LIMITS;
  const excerpt = toPrintable(text.slice(Math.max(0, at - 8), at + Math.min(length, excerptLengthMax)));
  return `"${excerpt}"`;
}

function scanEntries(model: Model): ScanFinding[] {
  const findings: ScanFinding[] = [];
  for (const [key, value] of model.metadata) {
    const isTemplate = key.startsWith('tokenizer.chat_template');
    if (!isTemplate && model.format === 'gguf') findings.push(...findText(value, null, key));
    if (HIDDEN.test(value) || HIDDEN.test(key))
      findings.push(toHidden(`The metadata entry "${toPrintable(key)}"`, key));
  }
  const names = [
    ...model.tensors.map(({ name }) => name),
    ...(model.graph?.nodes.map(({ name, op }) => name + op) ?? []),
    ...(model.graph?.values.keys() ?? []),
  ];
  const hidden = names.find((name) => HIDDEN.test(name));
  if (hidden !== undefined) findings.push(toHidden(`The name "${toPrintable(hidden)}"`, toPrintable(hidden)));
  return findings;
}

function toHidden(what: string, subject: string): ScanFinding {
  const message = `${what} holds characters that cannot be seen or that turn the direction of text.`;
  return { rule: 'T05', severity: 'suspicious', message, subject, kind: 'metadata', path: [], offset: null };
}
