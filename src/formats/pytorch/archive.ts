/** The layout of a PyTorch archive: one folder with data.pkl, records and storages. */
import { readRecord } from './member.ts';
import type { Reading } from './reading.ts';
import type { ZipArchive, ZipMember } from './zip.ts';
import { toMemberKey } from './zip-entry.ts';

export interface TorchArchive extends ZipArchive {
  /** Name of the folder. */
  readonly folder: string;
  readonly version: string;
  /** null when the file is older than the record (before 2.1). */
  readonly byteOrder: string | null;
  readonly serializationId: string | null;
  readonly isTorchScript: boolean;
  find(path: string): ZipMember | undefined;
}

/**
 * Checks the layout of an archive and reads its records.
 * @throws FormatError PYTORCH_LAYOUT | PYTORCH_BYTE_ORDER | PYTORCH_ZIP_…
 * @see torch/serialization.py `_save`; caffe2/serialize/inline_container.cc
 */
export function readLayout(reading: Reading, zip: ZipArchive): TorchArchive {
  const folder = zip.members.at(0)?.name.split('/')[0] ?? '';
  const stray = zip.members.find(({ name }) => !name.startsWith(`${folder}/`));
  // PyTorch looks in the folder of the first member; what lies elsewhere is seen by other tools only.
  if (stray !== undefined) reading.note('PYTORCH_LAYOUT', stray.headerStart, { member: stray.name, folder });
  const find = (path: string): ZipMember | undefined => zip.byKey.get(toMemberKey(`${folder}/${path}`));
  if (find('data.pkl') === undefined) reading.note('PYTORCH_LAYOUT', 0, { problem: 'no data.pkl', folder });
  const read = (path: string): string | null => {
    const member = find(path);
    return member === undefined ? null : readRecord(reading, member);
  };
  const version = read('version') ?? read('.data/version') ?? '';
  if (!/^\d{1,9}$/.test(version)) reading.note('PYTORCH_LAYOUT', 0, { problem: 'no version', folder });
  return {
    ...zip,
    folder,
    version,
    byteOrder: readByteOrder(reading, find('byteorder')),
    serializationId: read('.data/serialization_id'),
    isTorchScript: find('constants.pkl') !== undefined,
    find,
  };
}

function readByteOrder(reading: Reading, member: ZipMember | undefined): string | null {
  if (member === undefined) return null;
  const text = readRecord(reading, member);
  if (text !== 'little')
    reading.note('PYTORCH_BYTE_ORDER', member.dataStart, { byteOrder: text?.slice(0, 16) ?? null });
  return text;
}
