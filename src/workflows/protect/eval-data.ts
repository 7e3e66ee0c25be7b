/** Opens labelled evaluation data from a path: a file with its labels beside it, or a folder. */
import { basename, dirname } from 'node:path';
import { type LabelledData, openData } from '../../fidelity/index.ts';
import { openFolder } from '../../source/index.ts';
import type { Services } from '../services.ts';
import type { ProtectOptions } from './options.ts';

/** Folders deeper than this are not searched for images. */
const DEPTH_MAX = 4;

/** @throws RuntimeError DATA_UNKNOWN_FORMAT | DATA_MALFORMED | DATA_TOO_LARGE; SourceError */
export function openEvalData(
  services: Services,
  options: Pick<ProtectOptions, 'evalPath' | 'labelColumn' | 'dataRoot'>,
): LabelledData | null {
  const { evalPath, labelColumn, dataRoot } = options;
  if (evalPath === undefined) return null;
  const isFolder = services.isFolder(evalPath);
  const root = isFolder ? evalPath : dirname(evalPath);
  return openData({
    folder: openFolder(root, { dataRoot }),
    names: isFolder ? listDeep(services, root, '', DEPTH_MAX) : services.storage.list(root),
    file: isFolder ? null : basename(evalPath),
    labelColumn,
  });
}

function listDeep(services: Services, root: string, prefix: string, depth: number): string[] {
  return services.storage.list(prefix === '' ? root : `${root}/${prefix}`).flatMap((entry) => {
    const name = prefix === '' ? entry : `${prefix}/${entry}`;
    if (!services.isFolder(`${root}/${name}`)) return [name];
    return depth === 0 ? [] : listDeep(services, root, name, depth - 1);
  });
}
