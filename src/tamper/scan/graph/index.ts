/** All graph rules over one model. */
import type { Model } from '../../../model/types.ts';
import type { ScanFinding } from '../finding.ts';
import { toFlatGraph } from '../flat.ts';
import { toGraphView } from '../view.ts';
import { findJoins } from './joins.ts';
import {
  findConstantBranches,
  findHashes,
  findLiterals,
  findOverwrites,
  findPassThrough,
  findSampling,
} from './parts.ts';
import { findBombs, findDeadParts, findDomains, findLoops } from './structure.ts';

export interface GraphScan {
  readonly findings: readonly ScanFinding[];
  /** Nodes after functions and subgraphs were put in place. */
  readonly nodes: number;
  /** True when not all of the graph could be laid out. */
  readonly isCut: boolean;
}

/**
 * Null for a model without a graph.
 * @throws FormatError | SourceError when a constant cannot be read
 */
export function scanGraph(model: Model): GraphScan | null {
  const graph = toFlatGraph(model);
  if (graph === null) return null;
  const view = toGraphView(graph);
  const findings = [
    ...findJoins(view),
    ...findPassThrough(view),
    ...findOverwrites(view),
    ...findLoops(view),
    ...findSampling(view),
    ...findHashes(view),
    ...findConstantBranches(view),
    ...findLiterals(view),
    ...findDeadParts(model, view),
    ...findDomains(model, graph),
    ...findBombs(graph),
  ];
  return { findings, nodes: graph.nodes.length, isCut: graph.isCut };
}
