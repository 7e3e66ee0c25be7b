/** The checker: everything that must hold in a graph without knowing what its operators do. */
import { type FunctionRecord, type GraphDocument, type OpsetRecord, toFunctionId } from '../../model/document.ts';
import { Findings } from './findings.ts';
import type { Problem } from './rules.ts';
import { checkScope } from './scope.ts';
import { listCalls } from './tree.ts';

export interface Validation {
  /** The first problems, in the order of the document. */
  readonly problems: readonly Problem[];
  /** How many there are, listed or not. */
  readonly count: number;
}

/**
 * Checks a document.
 * @param known a document that is not to be looked at again: trees that are the same object as there are left out
 */
export function validateDocument(document: GraphDocument, known: GraphDocument | null = null): Validation {
  const findings = new Findings();
  const { irVersion } = document;
  if (known?.graph !== document.graph || known.opsets !== document.opsets) {
    const domains = collectDomains(findings, document.opsets, '');
    checkScope({ findings, irVersion, domains, function: null }, document.graph, '', []);
  }
  const knownFunctions = new Set(known?.functions);
  for (const record of document.functions) {
    if (!knownFunctions.has(record)) checkFunction(findings, irVersion, record);
  }
  if (known?.functions !== document.functions) checkCalls(findings, document.functions);
  return { problems: findings.problems, count: findings.count };
}

function collectDomains(findings: Findings, opsets: readonly OpsetRecord[], path: string): Set<string> {
  const versions = new Map<string, number>();
  for (const { domain, version } of opsets) {
    if (versions.has(domain) && versions.get(domain) !== version) findings.add('opset-conflict', path, domain);
    versions.set(domain, version);
  }
  return new Set(versions.keys());
}

function checkFunction(findings: Findings, irVersion: number, record: FunctionRecord): void {
  const { path } = record.body;
  const domains = collectDomains(findings, record.opsets, path);
  checkScope({ findings, irVersion, domains, function: record }, record.body, path, []);
}

/** Functions must have different names, and must not call each other in a circle. */
function checkCalls(findings: Findings, functions: readonly FunctionRecord[]): void {
  const calls = new Map<string, ReadonlySet<string>>();
  for (const record of functions) {
    const id = toFunctionId(record);
    if (calls.has(id)) findings.add('duplicate-function', record.body.path, id);
    calls.set(id, listCalls(record.body));
  }
  const left = listRecursive(calls);
  for (const record of functions) {
    const id = toFunctionId(record);
    if (left.has(id)) findings.add('function-cycle', record.body.path, id);
  }
}

/** Functions on circles, and those that lead into them: what is left when all others are taken away. */
function listRecursive(calls: ReadonlyMap<string, ReadonlySet<string>>): ReadonlySet<string> {
  const callers = new Map([...calls.keys()].map((id): [string, string[]] => [id, []]));
  const waiting = new Map<string, number>();
  for (const [id, callees] of calls) {
    const known = [...callees].filter((callee) => calls.has(callee));
    waiting.set(id, known.length);
    for (const callee of known) callers.get(callee)!.push(id);
  }
  const ready = [...waiting].filter(([, count]) => count === 0).map(([id]) => id);
  // The list grows while it is walked.
  for (const id of ready) {
    for (const caller of callers.get(id)!) {
      const count = waiting.get(caller)! - 1;
      waiting.set(caller, count);
      if (count === 0) ready.push(caller);
    }
  }
  const done = new Set(ready);
  return new Set([...calls.keys()].filter((id) => !done.has(id)));
}
