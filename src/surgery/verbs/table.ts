/** Every verb of a plan by its name; the prototype is null, so that a hostile name reaches nothing else. */
import { cleanup } from './cleanup.ts';
import { castTensor, scaleTensor, setType } from './convert.ts';
import { extract } from './extract.ts';
import { addFunction } from './function.ts';
import { addNodes, insertAfter, insertBefore, insertOnEdge } from './insert.ts';
import {
  addInitializer,
  addInput,
  addOutput,
  deleteInitializer,
  deleteInput,
  deleteOutput,
  importOpset,
} from './interface.ts';
import { inline } from './inline.ts';
import { merge, prefix } from './merge.ts';
import { moveNode, setAttribute, setInput } from './node.ts';
import { toposort } from './order.ts';
import { outline } from './outline.ts';
import { pruneTensor } from './prune.ts';
import { remove, replace } from './remove.ts';
import { renameNode, renameValue } from './rename.ts';
import { restoreTensor, stripTensor } from './strip.ts';
import { constantToInitializer, editTensor, initializerToConstant, setStorage, setTensor } from './tensor.ts';

const rows = {
  addFunction,
  addInitializer,
  addInput,
  addNodes,
  addOutput,
  castTensor,
  cleanup,
  constantToInitializer,
  deleteInitializer,
  deleteInput,
  deleteOutput,
  editTensor,
  extract,
  importOpset,
  initializerToConstant,
  inline,
  insertAfter,
  insertBefore,
  insertOnEdge,
  merge,
  moveNode,
  outline,
  prefix,
  pruneTensor,
  remove,
  renameNode,
  renameValue,
  replace,
  restoreTensor,
  scaleTensor,
  setAttribute,
  setInput,
  setStorage,
  setTensor,
  setType,
  stripTensor,
  toposort,
};

export const VERBS: Readonly<typeof rows> = Object.freeze(Object.assign(Object.create(null) as typeof rows, rows));

export type VerbName = keyof typeof rows;

/** In the order of the alphabet. */
export const VERB_NAMES: readonly VerbName[] = Object.keys(rows) as VerbName[];
export type VerbArgs<V extends VerbName> = Parameters<(typeof rows)[V]['apply']>[1];
export type VerbResult<V extends VerbName> = ReturnType<(typeof rows)[V]['apply']>;

export function isVerb(name: string): name is VerbName {
  return Object.hasOwn(VERBS, name);
}
