/**
 * Findings of any capability as a SARIF 2.1.0 log, which code scanning services and editors read.
 *
 * What was not analysed becomes a notification of the invocation, so that a log without results does not read as clean.
 * @see https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/sarif-v2.1.0-os.html
 */
import { createHash } from 'node:crypto';
import { toPrintable } from '../core/printable.ts';

/** none: told only. note, warning and error are what viewers sort by. */
export type SarifLevel = 'none' | 'note' | 'warning' | 'error';

export interface SarifRule {
  /** Stable, such as "G01". */
  readonly id: string;
  /** In kebab case. */
  readonly name: string;
  readonly summary: string;
  /** More for whoever looks at a finding; null when there is none. */
  readonly help: string | null;
}

/** A part of a model: a node, a tensor, a member of an archive. */
export interface SarifPlace {
  readonly name: string;
  /** Such as "node" or "tensor". */
  readonly kind: string;
  /** What is shown beside the place in a flow; null elsewhere. */
  readonly note: string | null;
}

export interface SarifFinding {
  readonly ruleId: string;
  readonly level: SarifLevel;
  readonly message: string;
  /** Relative name of the file, "/" between folders. */
  readonly file: string;
  /** Byte range in the file; null when it is not known. */
  readonly bytes: { readonly offset: number; readonly length: number } | null;
  readonly place: SarifPlace | null;
  /** Steps from source to effect, in order; [] without. */
  readonly flow: readonly SarifPlace[];
}

export interface SarifRun {
  readonly toolVersion: string;
  readonly rules: readonly SarifRule[];
  readonly findings: readonly SarifFinding[];
  /** Parts that were not analysed, each with the reason. */
  readonly notAnalysed: readonly string[];
  /** What the run says as a whole, such as a verdict; plain JSON values. */
  readonly properties: Readonly<Record<string, string | number | boolean | null>>;
}

const SCHEMA = 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json';
/** Digits of the fingerprint by which services tell whether a finding is new. */
const FINGERPRINT_DIGITS = 32;

/** @returns a JSON document that ends in a line end; all texts are made printable */
export function toSarif(run: SarifRun): string {
  const log = { $schema: SCHEMA, version: '2.1.0', runs: [toRun(run)] };
  return `${JSON.stringify(log, null, 2)}\n`;
}

function toRun({ toolVersion, rules, findings, notAnalysed, properties }: SarifRun) {
  const indexes = new Map(rules.map(({ id }, index) => [id, index]));
  const files = [...new Set(findings.map(({ file }) => file))];
  return {
    tool: { driver: { name: 'Modelward', semanticVersion: toolVersion, rules: rules.map(toRule) } },
    invocations: [
      {
        executionSuccessful: true,
        toolExecutionNotifications: notAnalysed.map((text) => ({
          level: 'warning',
          message: { text: `Not analysed: ${toPrintable(text)}` },
        })),
      },
    ],
    artifacts: files.map((file) => ({ location: { uri: toUri(file) } })),
    results: findings.map((finding) => toResult(finding, indexes, files)),
    properties,
  };
}

function toRule({ id, name, summary, help }: SarifRule) {
  return {
    id,
    name: name.replace(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase()),
    shortDescription: { text: summary },
    ...(help === null ? {} : { help: { text: help } }),
  };
}

function toResult(finding: SarifFinding, indexes: ReadonlyMap<string, number>, files: readonly string[]) {
  const { ruleId, level, message, flow } = finding;
  const ruleIndex = indexes.get(ruleId);
  return {
    ruleId,
    ...(ruleIndex === undefined ? {} : { ruleIndex }),
    level,
    message: { text: toPrintable(message) },
    locations: [toLocation(finding, finding.place, files)],
    ...(flow.length === 0 ? {} : { codeFlows: [toCodeFlow(finding, files)] }),
    partialFingerprints: { 'modelward/v1': toFingerprint(finding) },
  };
}

function toLocation({ file, bytes }: SarifFinding, place: SarifPlace | null, files: readonly string[]) {
  return {
    physicalLocation: {
      artifactLocation: { uri: toUri(file), index: files.indexOf(file) },
      ...(bytes === null ? {} : { region: { byteOffset: bytes.offset, byteLength: bytes.length } }),
    },
    ...(place === null ? {} : { logicalLocations: [toLogical(place)] }),
  };
}

function toLogical({ name, kind }: SarifPlace) {
  const shown = toPrintable(name);
  return { name: shown.split('/').at(-1) ?? shown, fullyQualifiedName: shown, kind };
}

function toCodeFlow(finding: SarifFinding, files: readonly string[]) {
  const { file, flow } = finding;
  const artifactLocation = { uri: toUri(file), index: files.indexOf(file) };
  return {
    threadFlows: [
      {
        locations: flow.map((place) => ({
          location: {
            physicalLocation: { artifactLocation },
            logicalLocations: [toLogical(place)],
            ...(place.note === null ? {} : { message: { text: toPrintable(place.note) } }),
          },
        })),
      },
    ],
  };
}

/** A relative reference: every character that means something in a URI is escaped. */
function toUri(file: string): string {
  return file.split('/').map(encodeURIComponent).join('/');
}

/** The same finding in a later version of the file keeps it: no offsets and no counts enter. */
function toFingerprint({ ruleId, file, place, message }: SarifFinding): string {
  const what = place === null ? message.replace(/\d+/g, '#') : `${place.kind}:${place.name}`;
  return createHash('sha256')
    .update(JSON.stringify([ruleId, file, what]))
    .digest('hex')
    .slice(0, FINGERPRINT_DIGITS);
}
