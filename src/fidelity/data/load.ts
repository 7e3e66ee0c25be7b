/** Finds out what evaluation data is, from names alone, and opens it with its labels. */
import { RuntimeError } from '../../core/errors.ts';
import type { ByteSource, SourceFolder } from '../../source/ports.ts';
import { joinArrays } from './array.ts';
import { openCsv } from './csv.ts';
import { openIdx } from './idx.ts';
import { findImageNames, openImages } from './images.ts';
import { openMaybeGzip } from './inflate.ts';
import { openNpy } from './npy.ts';
import { LABEL_NAMES, openNpz, SAMPLE_NAMES } from './npz.ts';
import type { LabelledData } from './types.ts';

export interface OpenDataOptions {
  readonly folder: SourceFolder;
  /** Relative names of what the folder holds, at any depth, with "/". */
  readonly names: readonly string[];
  /** The file that the user named; null when the user named the folder. */
  readonly file: string | null;
  /** CSV only. */
  readonly labelColumn?: 'auto' | 'first' | 'last' | undefined;
}

type Opener = (options: OpenDataOptions, name: string) => LabelledData | undefined;

/**
 * Opens labelled data. One file: npz, csv (also .gz), npy or idx (also .gz); labels of the last two lie beside it, and
 * are found by name: x.npy and y.npy, x_test.npy and y_test.npy, NAME.npy and NAME_labels.npy, NAME-images.npy and
 * NAME-labels.npy, NAME-images-idx3-ubyte and NAME-labels-idx1-ubyte. A folder: images in one subfolder per class,
 * else the first such file in it.
 * @throws RuntimeError DATA_UNKNOWN_FORMAT | DATA_MALFORMED | DATA_TOO_LARGE; SourceError
 */
export function openData(options: OpenDataOptions): LabelledData {
  const images = options.file === null ? findImageNames(options.names) : [];
  if (images.length > 0) return checked(openImages(options.folder, images));
  const candidates = options.file === null ? [...options.names].sort() : [options.file];
  for (const name of candidates) {
    for (const open of OPENERS) {
      const data = open(options, name);
      if (data !== undefined) return checked(data);
    }
  }
  throw new RuntimeError('DATA_UNKNOWN_FORMAT', { fields: { data: options.file ?? options.folder.label } });
}

function checked(data: LabelledData): LabelledData {
  if (data.count > 0) return data;
  data.close();
  throw new RuntimeError('DATA_MALFORMED', { fields: { problem: 'the data has no samples', format: data.format } });
}

const OPENERS: readonly Opener[] = [
  ({ folder }, name) => (/\.npz$/i.test(name) ? openNpz(folder.open(name)) : undefined),
  ({ folder, labelColumn }, name) =>
    /\.csv(?:\.gz)?$/i.test(name) ? openCsv(openMaybeGzip(folder.open(name)), { labelColumn }) : undefined,
  ({ folder, names }, name) => {
    const labels = /\.npy$/i.test(name) ? findNpyLabels(names, name) : undefined;
    if (labels === undefined) return undefined;
    return joinArrays('npy', openNpy(folder.open(name)), openNpy(folder.open(labels)));
  },
  ({ folder, names }, name) => {
    const labels = findIdxLabels(names, name);
    if (labels === undefined) return undefined;
    const open = (part: string): ByteSource => openMaybeGzip(folder.open(part));
    return joinArrays('idx', openIdx(open(name)), openIdx(open(labels)));
  },
];

/** The name in `names` that equals `wanted` without regard to case. */
function findName(names: readonly string[], wanted: string): string | undefined {
  return names.find((name) => name.toLowerCase() === wanted.toLowerCase());
}

function findNpyLabels(names: readonly string[], name: string): string | undefined {
  const slash = name.lastIndexOf('/') + 1;
  const folder = name.slice(0, slash);
  const stem = name.slice(slash, -4);
  const paired = SAMPLE_NAMES.indexOf(stem.toLowerCase());
  const wanted = [`${stem}_labels`, `${stem}-labels`, `${stem}.labels`];
  if (/images|samples|inputs/i.test(stem)) wanted.push(stem.replace(/images|samples|inputs/i, 'labels'));
  if (paired >= 0) wanted.push(LABEL_NAMES[paired] ?? '', ...LABEL_NAMES);
  for (const other of wanted) {
    const found = findName(names, `${folder}${other}.npy`);
    if (found !== undefined) return found;
  }
  return undefined;
}

function findIdxLabels(names: readonly string[], name: string): string | undefined {
  const pair = /^(.*)images(.?)idx\d(.*)$/i.exec(name);
  if (pair === null) return undefined;
  const [, before = '', between = '', after = ''] = pair;
  const plain = after.replace(/\.gz$/i, '');
  return (
    findName(names, `${before}labels${between}idx1${plain}`) ??
    findName(names, `${before}labels${between}idx1${plain}.gz`)
  );
}
