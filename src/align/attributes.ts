/** Attributes of operators as numbers. */
import type { GraphNode } from '../model/types.ts';

/** An integer attribute, or `otherwise` when it is absent. */
export function findInt(node: GraphNode, name: string, otherwise: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'int' ? Number(attribute.value) : otherwise;
}

/** A list of integers, or undefined. */
export function findInts(node: GraphNode, name: string): number[] | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'ints' ? attribute.values.map(Number) : undefined;
}
