/** Finding nodes one by one: by operator, name, scope, attributes or any test. */
import type { AttributeRecord } from '../../model/document.ts';
import type { Draft } from '../draft/draft.ts';
import type { NodeView } from '../draft/node.ts';
import type { Node } from '../draft/scope.ts';

export interface NodeQuery {
  readonly op?: string | readonly string[];
  /** "" is the default domain. */
  readonly domain?: string;
  /** The whole name, or an expression that matches somewhere in it. */
  readonly name?: string | RegExp;
  /** Path of one scope; all scopes when absent. */
  readonly scope?: string;
  /** A value that it reads, or makes. */
  readonly reads?: string;
  readonly makes?: string;
  readonly where?: (node: NodeView) => boolean;
}

/** Nodes that answer all of `query`, in the order of the document; outer scopes first. */
export function findNodes(draft: Draft, query: NodeQuery): readonly Node[] {
  const scopes = query.scope === undefined ? [...draft.eachScope()] : [draft.scope(query.scope)];
  return scopes.flatMap((scope) => scope.nodes.toArray().filter((node) => isMatch(node, query)));
}

function isMatch(node: Node, query: NodeQuery): boolean {
  const { op, domain, name, reads, makes, where } = query;
  if (op !== undefined && (typeof op === 'string' ? node.op !== op : !op.includes(node.op))) return false;
  if (domain !== undefined && node.domain !== domain) return false;
  if (name !== undefined && (typeof name === 'string' ? node.name !== name : node.name.search(name) < 0)) return false;
  if (reads !== undefined && !node.inputs.includes(reads)) return false;
  if (makes !== undefined && !node.outputs.includes(makes)) return false;
  return where?.(node) ?? true;
}

/** Number or text of an attribute, for tests in queries; undefined for other kinds and absent ones. */
export function findScalar(
  attributes: ReadonlyMap<string, AttributeRecord>,
  name: string,
): number | string | undefined {
  const attribute = attributes.get(name);
  if (attribute?.kind === 'int') return Number(attribute.value);
  if (attribute?.kind === 'float') return attribute.value;
  return attribute?.kind === 'string' ? Buffer.from(attribute.value).toString('utf8') : undefined;
}
