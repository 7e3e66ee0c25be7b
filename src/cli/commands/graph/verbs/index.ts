/** The verbs of `modelward graph` that edit: one row each, the twin of a method of a transaction. */
import { INSERTION } from './insertion.ts';
import { NODES } from './nodes.ts';
import { TENSORS } from './tensors.ts';
import type { VerbRow } from './types.ts';
import { WEIGHTS } from './weights.ts';
import { WHOLES } from './wholes.ts';

export type { VerbFlags, VerbInputs, VerbRow } from './types.ts';

/** Plan JSON of more than one verb comes from a file: `modelward graph apply`. */
export const VERB_ROWS: readonly VerbRow[] = [...INSERTION, ...NODES, ...TENSORS, ...WEIGHTS, ...WHOLES];
