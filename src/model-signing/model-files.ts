/** The files of a model on disk as a signature sees them: one file, or a folder without what is ignored (OMS v1.0 section 6.1). */
import { lstatSync } from 'node:fs';
import { basename, parse } from 'node:path';
import { ModelSigningError } from '../core/errors.ts';
import { MODEL_SIGNING_LIMITS } from '../core/limits/model-signing.ts';
import { type ByteSource, listTree, openFileSource, openFolder } from '../source/index.ts';
import { assertResourceCount } from './manifest.ts';
import { DEFAULT_IGNORED, isCanonicalName, isIgnored, SINGLE_FILE } from './names.ts';

export interface ModelFilesOptions {
  /** Absolute path of the file or folder. */
  readonly path: string;
  readonly isFolder: boolean;
  /** Relative to the folder, besides the default ones. */
  readonly ignorePaths: readonly string[];
  readonly allowSymlinks: boolean;
  /** When given, everything else is passed over, whatever it is. */
  readonly only?: ReadonlySet<string>;
  /** The name that a model of one file is listed under: "." unless the signer gave it its own. */
  readonly singleName?: string;
}

export interface ModelFiles {
  /** Base name of the file or folder. */
  readonly modelName: string;
  /** Relative to the folder with "/", in no order that matters; "." for a model of one file. */
  readonly names: readonly string[];
  /** Names of links that lead outside the folder. */
  readonly outside: readonly string[];
  /** @throws SourceError */
  open(name: string): ByteSource;
}

/**
 * Lists the model.
 * @throws ModelSigningError OMS_MODEL_EMPTY | OMS_LINK_REFUSED | OMS_FILE_REFUSED | OMS_MODEL_TOO_LARGE; SourceError
 */
export function openModelFiles(options: ModelFilesOptions): ModelFiles {
  const { path, isFolder, allowSymlinks } = options;
  if (!allowSymlinks && isLink(path)) {
    throw new ModelSigningError('OMS_LINK_REFUSED', { fields: { file: basename(path) } });
  }
  return isFolder ? openFolderModel(options) : openFileModel(options);
}

function openFileModel({ path, singleName = SINGLE_FILE }: ModelFilesOptions): ModelFiles {
  return { modelName: basename(path), names: [singleName], outside: [], open: () => openFileSource(path) };
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

function openFolderModel({ path, ignorePaths, allowSymlinks, only }: ModelFilesOptions): ModelFiles {
  const ignored = [...DEFAULT_IGNORED, ...ignorePaths];
  const names: string[] = [];
  const outside: string[] = [];
  const entries = listTree(path, {
    isIgnored: (name) => isIgnored(name, ignored),
    areLinksFollowed: allowSymlinks,
    depthMax: MODEL_SIGNING_LIMITS.depthMax,
  });
  for (const { name, kind, isOutside } of entries) {
    if (only?.has(name) === false) continue;
    if (kind === 'link') throw new ModelSigningError('OMS_LINK_REFUSED', { fields: { file: name } });
    if (kind === 'other' || !isCanonicalName(name)) {
      throw new ModelSigningError('OMS_FILE_REFUSED', { fields: { file: name } });
    }
    names.push(name);
    if (isOutside) outside.push(name);
    assertResourceCount(names.length);
  }
  if (names.length === 0 && only === undefined)
    throw new ModelSigningError('OMS_MODEL_EMPTY', { fields: { folder: basename(path) } });
  // Followed links may lead anywhere: what is behind them is what gets hashed, wherever it lies.
  const folder = openFolder(path, allowSymlinks ? { dataRoot: parse(path).root } : {});
  return { modelName: basename(path), names, outside, open: (name) => folder.open(name) };
}
