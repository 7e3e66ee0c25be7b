/**
 * A file system in memory that records every call, and can be rebuilt as a crash after any of them would leave it:
 * content is safe once its file was synced, a name once its folder was; anything else may be there, torn or gone.
 */
import { SourceError } from '../../src/core/errors.ts';
import type { Storage, StorageFile } from '../../src/source/ports.ts';

type Op =
  | { readonly kind: 'makeFolder'; readonly path: string }
  | { readonly kind: 'create'; readonly path: string; readonly file: number }
  | { readonly kind: 'write'; readonly file: number; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly file: number; readonly size: number }
  | { readonly kind: 'sync'; readonly file: number }
  /** `file` is null for a folder: its name is bound to that file, whatever becomes of earlier changes of `from`. */
  | { readonly kind: 'rename'; readonly from: string; readonly to: string; readonly file: number | null }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'removeFolder'; readonly path: string }
  | { readonly kind: 'syncFolder'; readonly path: string };

/** What happens to everything that was not synced when the power goes. */
export type CrashModel =
  /** The process was killed, the machine lives: nothing is lost. */
  | { readonly kind: 'keep' }
  /** Content and names that were not synced are gone. */
  | { readonly kind: 'drop' }
  /** Names survive, unsynced content does not (files of length 0, the classic of delayed allocation). */
  | { readonly kind: 'drop-content' }
  /** Content survives where its name was synced; unsynced names do not. */
  | { readonly kind: 'drop-names' }
  /** All survives, but the last unsynced write stopped after `bytes` bytes (negative: that many before its end). */
  | { readonly kind: 'torn'; readonly bytes: number }
  /** Each unsynced write and name survives by a coin, writes torn at a random length half of the time. */
  | { readonly kind: 'random'; readonly next: () => number };

/** Storage with its history. */
export interface RecordingStorage extends Storage {
  /** Number of calls that changed something. */
  opCount(): number;
  /** A fresh storage as a crash right after the first `count` changes would leave it. */
  crashAfter(count: number, model: CrashModel): RecordingStorage;
  /**
   * The storage of the next process when this one was killed after `count` changes and the machine lives on: all is
   * there, but what was not synced can still be lost by a later crash. Changes are counted on from `count`.
   */
  killedAfter(count: number): RecordingStorage;
  /** All files with their content, by path: for comparing. */
  files(): ReadonlyMap<string, Uint8Array>;
  /** A copy without history, everything durable: a start for another experiment. */
  settled(): RecordingStorage;
}

interface FileNode {
  readonly kind: 'file';
  bytes: Uint8Array;
}

interface FolderNode {
  readonly kind: 'folder';
}

type Node = FileNode | FolderNode;
type Tree = Map<string, Node>;

/** @param folders absolute paths of folders that exist, durably */
export function createRecordingStorage(folders: readonly string[] = []): RecordingStorage {
  return createFrom(new Map(folders.map((path) => [path, { kind: 'folder' }])));
}

function createFrom(start: Tree, history: readonly Op[] = []): RecordingStorage {
  const { tree, files } = replay(start, history, { kind: 'keep' });
  const ops: Op[] = [...history];
  // Files of the start are numbered first, in the order of the tree, so that a replay numbers them alike.
  const fileNumbers = new Map(files.map((node, number) => [node, number]));
  const numberOf = (node: FileNode): number => {
    const number = fileNumbers.get(node) ?? fileNumbers.size;
    fileNumbers.set(node, number);
    return number;
  };
  const record = (op: Op): void => {
    ops.push(op);
  };
  return {
    ...createReads(tree),
    ...createNameChanges(tree, record, numberOf),
    create: (path) => {
      requireFolder(tree, toParent(path));
      if (tree.has(path)) throw new SourceError('WRITE_EXISTS', { fields: { file: path } });
      const node: FileNode = { kind: 'file', bytes: new Uint8Array() };
      tree.set(path, node);
      record({ kind: 'create', path, file: numberOf(node) });
      return createFile(node, numberOf(node), record);
    },
    openForUpdate: (path) => {
      const node = requireFile(tree, path);
      return createFile(node, numberOf(node), record);
    },
    opCount: () => ops.length,
    crashAfter: (count, model) => createFrom(replay(start, ops.slice(0, count), model).tree),
    killedAfter: (count) => createFrom(start, ops.slice(0, count)),
    files: () => new Map([...tree].flatMap(([path, node]) => (node.kind === 'file' ? [[path, node.bytes]] : []))),
    settled: () => createFrom(tree),
  };
}

function createReads(tree: Tree): Pick<Storage, 'exists' | 'list' | 'read'> {
  return {
    exists: (path) => tree.has(path),
    list: (path) => {
      if (tree.get(path)?.kind === 'file') throw new SourceError('SOURCE_UNREADABLE', { fields: { file: path } });
      const start = `${path}/`;
      return [...tree.keys()]
        .filter((name) => name.startsWith(start) && !name.slice(start.length).includes('/'))
        .map((name) => name.slice(start.length))
        .sort();
    },
    read: (path) => {
      const node = tree.get(path);
      if (node === undefined) throw new SourceError('SOURCE_NOT_FOUND', { fields: { file: path } });
      if (node.kind === 'folder') throw new SourceError('SOURCE_UNREADABLE', { fields: { file: path } });
      return node.bytes.slice();
    },
  };
}

type NameChanges = Pick<Storage, 'makeFolder' | 'rename' | 'renameToFree' | 'remove' | 'removeFolder' | 'syncFolder'>;

function createNameChanges(tree: Tree, record: (op: Op) => void, numberOf: (node: FileNode) => number): NameChanges {
  const makeFolder = (path: string): void => {
    if (tree.get(path)?.kind === 'folder') return;
    if (path.includes('/', 1)) makeFolder(toParent(path));
    tree.set(path, { kind: 'folder' });
    record({ kind: 'makeFolder', path });
  };
  const rename = (from: string, to: string): void => {
    requireFolder(tree, toParent(to));
    const node = tree.get(from);
    moveNames(tree, from, to);
    record({ kind: 'rename', from, to, file: node?.kind === 'file' ? numberOf(node) : null });
  };
  return {
    makeFolder,
    rename,
    renameToFree: (from, to) => {
      if (tree.has(to)) throw new SourceError('WRITE_EXISTS', { fields: { file: to } });
      rename(from, to);
    },
    remove: (path) => {
      requireFile(tree, path);
      tree.delete(path);
      record({ kind: 'remove', path });
    },
    removeFolder: (path) => {
      requireFolder(tree, path);
      if ([...tree.keys()].some((name) => name.startsWith(`${path}/`))) throw new SourceError('WRITE_FAILED');
      tree.delete(path);
      record({ kind: 'removeFolder', path });
    },
    syncFolder: (path) => {
      requireFolder(tree, path);
      record({ kind: 'syncFolder', path });
    },
  };
}

function createFile(node: FileNode, file: number, record: (op: Op) => void): StorageFile {
  return {
    write: (offset, bytes) => {
      node.bytes = writeInto(node.bytes, offset, bytes);
      record({ kind: 'write', file, offset, bytes: bytes.slice() });
    },
    // This disk shares the bytes of any source: a crash before the next sync may lose or tear them like a write's.
    cloneFrom: (source) => {
      const bytes = new Uint8Array(source.size);
      source.read(0, bytes);
      node.bytes = bytes;
      record({ kind: 'write', file, offset: 0, bytes: bytes.slice() });
      return true;
    },
    truncate: (size) => {
      node.bytes = resize(node.bytes, size);
      record({ kind: 'truncate', file, size });
    },
    sync: () => {
      record({ kind: 'sync', file });
    },
    close: () => undefined,
  };
}

type NameOp = Extract<Op, { path: string } | { from: string }>;
type ContentOp = Extract<Op, { kind: 'write' | 'truncate' }>;

/** The tree that a disk would hold: synced changes in order, then the unsynced ones that the model lets through. */
function replay(start: Tree, ops: readonly Op[], model: CrashModel): { tree: Tree; files: FileNode[] } {
  const { tree, files } = cloneTree(start);
  const pendingNames: NameOp[] = [];
  const pendingContent = new Map<number, ContentOp[]>();
  const fileAt = (file: number): FileNode => (files[file] ??= { kind: 'file', bytes: new Uint8Array() });
  for (const op of ops) {
    if (op.kind === 'write' || op.kind === 'truncate') {
      pendingContent.set(op.file, [...(pendingContent.get(op.file) ?? []), op]);
    } else if (op.kind === 'sync') {
      for (const change of pendingContent.get(op.file) ?? []) applyContent(fileAt(op.file), change);
      pendingContent.delete(op.file);
    } else if (op.kind === 'syncFolder') {
      for (let i = 0; i < pendingNames.length; ) {
        if (toFolders(pendingNames[i]).includes(op.path)) applyName(tree, fileAt, pendingNames.splice(i, 1)[0]);
        else i += 1;
      }
    } else {
      pendingNames.push(op);
    }
  }
  for (const op of pendingNames) if (survivesName(model)) applyName(tree, fileAt, op);
  const last = [...pendingContent.values()].at(-1)?.at(-1);
  for (const [file, changes] of pendingContent) {
    for (const change of changes) applyCrashed(fileAt(file), change, model, change === last);
  }
  return { tree: withoutOrphans(tree), files };
}

function survivesName(model: CrashModel): boolean {
  if (model.kind === 'random') return model.next() < 0.5;
  return model.kind !== 'drop' && model.kind !== 'drop-names';
}

function applyCrashed(node: FileNode, change: ContentOp, model: CrashModel, isLast: boolean): void {
  if (model.kind === 'drop' || model.kind === 'drop-content') return;
  if (model.kind === 'torn' && isLast && change.kind === 'write') {
    applyContent(node, { ...change, bytes: change.bytes.subarray(0, toTornLength(change.bytes.length, model.bytes)) });
  } else if (model.kind === 'random') {
    if (model.next() < 0.5) return;
    const isTorn = change.kind === 'write' && model.next() < 0.5;
    const bytes = isTorn ? change.bytes.subarray(0, Math.floor(model.next() * change.bytes.length)) : undefined;
    applyContent(node, bytes === undefined || change.kind !== 'write' ? change : { ...change, bytes });
  } else {
    applyContent(node, change);
  }
}

function toTornLength(length: number, bytes: number): number {
  return Math.max(0, Math.min(length, bytes < 0 ? length + bytes : bytes));
}

function applyContent(node: FileNode, change: ContentOp): void {
  node.bytes =
    change.kind === 'write' ? writeInto(node.bytes, change.offset, change.bytes) : resize(node.bytes, change.size);
}

/** The folders whose sync makes a name change durable. */
function toFolders(op: NameOp): string[] {
  return op.kind === 'rename' ? [toParent(op.from), toParent(op.to)] : [toParent(op.path)];
}

/** Changes that depend on one that was lost are lost with it. */
function applyName(tree: Tree, fileAt: (file: number) => FileNode, op: NameOp): void {
  if (op.kind === 'makeFolder') tree.set(op.path, { kind: 'folder' });
  else if (op.kind === 'create') tree.set(op.path, fileAt(op.file));
  else if (op.kind === 'rename' && op.file !== null) {
    tree.delete(op.from);
    tree.set(op.to, fileAt(op.file));
  } else if (op.kind === 'rename' && tree.has(op.from)) moveNames(tree, op.from, op.to);
  else if (op.kind === 'remove' || op.kind === 'removeFolder') tree.delete(op.path);
}

function withoutOrphans(tree: Tree): Tree {
  const hasParents = (path: string): boolean => {
    const parent = toParent(path);
    return parent === '' || tree.get(parent)?.kind === 'folder' || !isBelowRoot(tree, parent);
  };
  for (let before = -1; before !== tree.size; ) {
    before = tree.size;
    for (const path of [...tree.keys()]) if (!hasParents(path)) tree.delete(path);
  }
  return tree;
}

/** Folders given at the start need no parents of their own. */
function isBelowRoot(tree: Tree, path: string): boolean {
  return [...tree].some(([name, node]) => node.kind === 'folder' && path.startsWith(`${name}/`));
}

function moveNames(tree: Tree, from: string, to: string): void {
  const moved = [...tree].filter(([path]) => path === from || path.startsWith(`${from}/`));
  if (moved.length === 0) throw new SourceError('WRITE_FAILED', { fields: { file: from } });
  for (const [path] of moved) tree.delete(path);
  for (const [path, node] of moved) tree.set(to + path.slice(from.length), node);
}

function requireFile(tree: Tree, path: string): FileNode {
  const node = tree.get(path);
  if (node?.kind !== 'file') throw new SourceError('WRITE_FAILED', { fields: { file: path, errno: 'ENOENT' } });
  return node;
}

function requireFolder(tree: Tree, path: string): void {
  if (tree.get(path)?.kind === 'folder') return;
  throw new SourceError('WRITE_FAILED', { fields: { file: path, errno: 'ENOENT' } });
}

function cloneTree(tree: Tree): { tree: Tree; files: FileNode[] } {
  const files: FileNode[] = [];
  const clone: Tree = new Map();
  for (const [path, node] of tree) {
    if (node.kind === 'folder') clone.set(path, node);
    else {
      const file: FileNode = { kind: 'file', bytes: node.bytes.slice() };
      files.push(file);
      clone.set(path, file);
    }
  }
  return { tree: clone, files };
}

function writeInto(bytes: Uint8Array, offset: number, added: Uint8Array): Uint8Array {
  const out = resize(bytes, Math.max(bytes.length, offset + added.length));
  out.set(added, offset);
  return out;
}

function resize(bytes: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size);
  out.set(bytes.subarray(0, size));
  return out;
}

function toParent(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
