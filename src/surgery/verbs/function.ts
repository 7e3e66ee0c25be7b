/** Model-local functions: a new one with its body given, and a new one out of nodes that are there. */
import { z } from 'zod';
import { SurgeryError } from '../../core/errors.ts';
import { type FunctionRecord, type NodeRecord, toFunctionId, type ValueRecord } from '../../model/document.ts';
import type { Draft } from '../draft/draft.ts';
import { attributeSchema, nodeSchema, toAttribute, toNodeRecord } from '../draft/json.ts';
import type { Scope } from '../draft/scope.ts';
import { defineVerb } from './verb.ts';
import { addNode } from './wiring.ts';

/** IR versions that brought functions, defaults of their attributes, and overloads together with types of their values. */
const IR = { functions: 8, defaults: 9, overloads: 10 } as const;

/** What a function is called, and the operator sets that its body is written for. */
export interface FunctionHead {
  readonly name: string;
  readonly domain: string;
  readonly overload?: string | undefined;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly string[];
  readonly defaults: FunctionRecord['defaults'];
  readonly opsets: readonly { readonly domain: string; readonly version: number }[];
  readonly values: readonly ValueRecord[];
}

const nameSchema = z.string().min(1);

/**
 * Adds a function. Its body may be empty: nodes are added to the scope DOMAIN::NAME. The model imports the domain, with
 * version 1, unless it does already; the function imports what the model does, unless told.
 * @throws SurgeryError SURGERY_IR_TOO_OLD | SURGERY_NAME_TAKEN | SURGERY_OPSET_MISSING
 */
export const addFunction = defineVerb(
  z.strictObject({
    name: nameSchema,
    domain: nameSchema,
    overload: nameSchema.optional(),
    inputs: z.array(nameSchema),
    outputs: z.array(nameSchema),
    attributes: z.array(nameSchema).optional(),
    defaults: z.record(nameSchema, attributeSchema).optional(),
    opsets: z.record(z.string(), z.int().positive()).optional(),
    nodes: z.array(nodeSchema).optional(),
  }),
  (draft, { attributes = [], defaults = {}, opsets, nodes = [], ...head }): string => {
    const scope = addFunctionHead(draft, {
      ...head,
      attributes,
      defaults: new Map(Object.entries(defaults).map(([name, json]) => [name, toAttribute(name, json)])),
      opsets: opsets === undefined ? draft.opsetsOf(draft.main) : toOpsets(opsets),
      values: [],
    });
    for (const json of nodes) addNode(draft, scope, toNodeRecord(json), scope.nodes.last);
    return scope.path;
  },
);

function toOpsets(opsets: Readonly<Record<string, number>>): FunctionHead['opsets'] {
  return Object.entries(opsets).map(([domain, version]) => ({ domain: domain === 'ai.onnx' ? '' : domain, version }));
}

/** @throws SurgeryError SURGERY_IR_TOO_OLD | SURGERY_NAME_TAKEN */
export function addFunctionHead(draft: Draft, head: FunctionHead): Scope {
  const { name, domain, overload = '', defaults, attributes } = head;
  assertIr(draft, 'functions', IR.functions);
  if (defaults.size > 0) assertIr(draft, 'defaults of attributes', IR.defaults);
  if (overload !== '') assertIr(draft, 'overloads', IR.overloads);
  const id = toFunctionId({ domain, name, overload });
  if (draft.findFunction(id) !== undefined || domain === 'ai.onnx') {
    throw new SurgeryError('SURGERY_NAME_TAKEN', { fields: { name: id, of: 'functions' } });
  }
  importDomain(draft, draft.main, domain);
  const toValue = (value: string): ValueRecord => ({ name: value, dtype: null, shape: null, place: null });
  return draft.addFunction({
    name,
    domain,
    overload,
    attributes,
    defaults,
    opsets: head.opsets.map(({ domain: imported, version }) => ({ domain: imported, version, place: null })),
    body: {
      path: id,
      name,
      nodes: [],
      inputs: head.inputs.map(toValue),
      outputs: head.outputs.map(toValue),
      values: draft.irVersion >= IR.overloads ? head.values : [],
      initializers: [],
      annotations: [],
      place: null,
    },
  });
}

function assertIr(draft: Draft, of: string, irVersionMin: number): void {
  const { irVersion } = draft;
  if (irVersion < irVersionMin)
    throw new SurgeryError('SURGERY_IR_TOO_OLD', { fields: { of, irVersion, irVersionMin } });
}

/** Makes a scope able to call functions of a domain. */
export function importDomain(draft: Draft, scope: Scope, domain: string): void {
  if (!draft.opsetsOf(scope).some((opset) => opset.domain === domain)) draft.addOpset(scope, { domain, version: 1 });
}

/** Nodes that come from another scope keep their bytes. */
export function moveInto(draft: Draft, scope: Scope, records: readonly NodeRecord[]): void {
  for (const record of records) addNode(draft, scope, record, scope.nodes.last);
}
