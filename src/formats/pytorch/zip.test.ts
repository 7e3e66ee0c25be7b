import { describe, expect, test } from 'vitest';
import { openBytes, runPlan } from '../../../test/formats/models.ts';
import * as K from '../../../test/formats/pickle.ts';
import { findTorchError } from '../../../test/formats/torch.ts';
import {
  type ArchiveOptions,
  type TestMember,
  toPadding,
  toTorchMembers,
  writeZip,
} from '../../../test/formats/zip.ts';
import type { ErrorCode } from '../../core/errors.ts';

const DATA = new Uint8Array(Float32Array.of(1, 2).buffer);
const PICKLE = K.pickle(K.dict(K.text('w'), K.tensor({ key: '0', count: 2, size: [2], stride: [1] })));
const NOISE = Uint8Array.of(1, 2, 3, 4, 5);

/** An archive whose member `name` is changed by `change`. */
function archive(name: string, change: Partial<TestMember>, options: ArchiveOptions = {}): Uint8Array {
  const members = toTorchMembers(PICKLE, { 0: DATA });
  return writeZip(
    members.map((member) => (member.name === `m/${name}` ? { ...member, ...change } : member)),
    options,
  );
}

const plain = (options: ArchiveOptions): Uint8Array => archive('', {}, options);

describe('archives that other tools wrote are read, byte for byte', () => {
  test.each<[string, Uint8Array]>([
    ['as torch.save writes them', plain({})],
    ['without zip64 records', plain({ zip64: false })],
    ['without data descriptors', writeZip(toTorchMembers(PICKLE, { 0: DATA }).map((m) => ({ ...m, descriptor: 0 })))],
    [
      'with descriptors of 64-bit sizes',
      writeZip(toTorchMembers(PICKLE, { 0: DATA }).map((m) => ({ ...m, descriptor: 24 }))),
    ],
    [
      'with descriptors without signature',
      writeZip(toTorchMembers(PICKLE, { 0: DATA }).map((m) => ({ ...m, descriptor: 12 }))),
    ],
    ['with a compressed pickle', archive('data.pkl', { deflate: true })],
    [
      'with sizes in zip64 fields',
      archive('data/0', {
        descriptor: 0,
        central: { size: 0xffffffff, packed: 0xffffffff, extra: zip64(8, 8) },
        local: { size: 0xffffffff, packed: 0xffffffff, extra: zip64(8, 8) },
      }),
    ],
    [
      'with end records that say "see the zip64 one"',
      plain({ end: { count: 0xffff, size: 0xffffffff, offset: 0xffffffff } }),
    ],
  ])('%s', (_, bytes) => {
    const model = openBytes(bytes, 'm.pt');
    const read = new Uint8Array(8);
    model.tensors[0].read(0, read);
    expect(read).toEqual(DATA);
    expect(runPlan(model.plan([]))).toEqual(bytes);
  });
});

function zip64(...values: number[]): Uint8Array {
  const bytes = Buffer.alloc(4 + 8 * values.length);
  bytes.writeUInt16LE(1, 0);
  bytes.writeUInt16LE(8 * values.length, 2);
  values.forEach((value, i) => bytes.writeBigUInt64LE(BigInt(value), 4 + 8 * i));
  return new Uint8Array(bytes);
}

/** Two members of one span: the second name leads to the data of the first. */
function overlapping(): Uint8Array {
  const members = toTorchMembers(PICKLE, { 0: DATA, 1: DATA });
  const offset = Buffer.from(writeZip(members)).indexOf('m/data/0') - 30;
  return writeZip(members.map((member) => (member.name === 'm/data/1' ? { ...member, central: { offset } } : member)));
}

/** The archive with one bit changed, at a place `shift` bytes from the first `mark`. */
function spoil(mark: string, shift: number): Uint8Array {
  const bytes = plain({});
  bytes[Buffer.from(bytes).indexOf(mark, 0, 'latin1') + shift] ^= 1;
  return bytes;
}

describe('what two readers could read differently is refused', () => {
  test.each<[ErrorCode, string, Uint8Array]>([
    ['PYTORCH_ZIP_END', 'no end record', plain({}).slice(0, -30)],
    ['PYTORCH_ZIP_END', 'end records that disagree', plain({ end: { count: 3 } })],
    ['PYTORCH_ZIP_END', 'a locator that points elsewhere', plain({ locator: { offset: 7 } })],
    ['PYTORCH_ZIP_END', 'several disks', plain({ locator: { disks: 2 } })],
    ['PYTORCH_ZIP_END', 'a longer zip64 record', plain({ end64: { recordSize: 45 } })],
    ['PYTORCH_ZIP_END', 'a directory longer than the file', plain({ zip64: false, end: { size: 100_000 } })],
    ['PYTORCH_ZIP_END', 'more entries than the directory can hold', plain({ zip64: false, end: { count: 2000 } })],
    ['PYTORCH_ZIP_BUDGET', 'a billion members', plain({ end: { count: 0xffff }, end64: { count: 1e9 } })],
    ['PYTORCH_ZIP_ENTRY', 'fewer entries than counted', plain({ zip64: false, end: { count: 6 } })],
    ['PYTORCH_ZIP_ENTRY', 'more entries than counted', plain({ zip64: false, end: { count: 4 } })],
    [
      'PYTORCH_ZIP_ENTRY',
      'an extra field that leaves the entry',
      archive('data/0', { central: { extra: Uint8Array.of(9, 9, 9, 0) } }),
    ],
    ['PYTORCH_ZIP_ENTRY', 'a zip64 size that is not asked for', archive('data/0', { central: { extra: zip64(8) } })],
    ['PYTORCH_ZIP_ENTRY', 'a zip64 size that is missing', archive('data/0', { central: { size: 0xffffffff } })],
    ['PYTORCH_ZIP_ENTRY', 'stored with two sizes', archive('data/0', { central: { size: 4 } })],
    ['PYTORCH_ZIP_ENTRY', 'another disk', archive('data/0', { central: { disk: 1 } })],
    ['PYTORCH_ZIP_LOCAL', 'another name in the local header', archive('data.pkl', { local: { name: 'm/data.pk1' } })],
    ['PYTORCH_ZIP_LOCAL', 'another compression in the local header', archive('data.pkl', { local: { method: 8 } })],
    [
      'PYTORCH_ZIP_LOCAL',
      'flag bits in the local header (GHSA-w8jq-xcqf-f792)',
      archive('data.pkl', { local: { flags: 1 } }),
    ],
    ['PYTORCH_ZIP_LOCAL', 'another size in the local header', archive('data/0', { local: { size: 4 } })],
    ['PYTORCH_ZIP_LOCAL', 'another checksum in the local header', archive('data/0', { local: { crc: 4 } })],
    ['PYTORCH_ZIP_LOCAL', 'no local header', spoil('m/data/0', -30)],
    [
      'PYTORCH_ZIP_LOCAL',
      'a member that reaches into the directory',
      archive('data/0', { central: { size: 900, packed: 900 } }),
    ],
    ['PYTORCH_ZIP_OVERLAP', 'two members of one span', overlapping()],
    ['PYTORCH_ZIP_GAP', 'something in front', plain({ prefix: NOISE })],
    [
      'PYTORCH_ZIP_GAP',
      'a member that no entry names',
      archive('data/0', { before: writeZip([{ name: 'm/data.pkl', content: PICKLE }]).slice(0, 60) }),
    ],
    ['PYTORCH_ZIP_GAP', 'something behind a member', archive('data/0', { descriptor: 0, after: NOISE })],
    [
      'PYTORCH_ZIP_GAP',
      'something behind the last member',
      archive('.data/serialization_id', { descriptor: 0, after: NOISE }),
    ],
    ['PYTORCH_ZIP_GAP', 'something in front of the end records', plain({ gap: NOISE })],
    ['PYTORCH_ZIP_GAP', 'something behind the archive', plain({ suffix: NOISE })],
    ['PYTORCH_ZIP_GAP', 'a comment', plain({ comment: NOISE })],
    ['PYTORCH_ZIP_NAME', 'a name that climbs', archive('data/0', { name: 'm/../../etc/passwd' })],
    ['PYTORCH_ZIP_NAME', 'an absolute name', archive('data/0', { name: '/m/data/0' })],
    ['PYTORCH_ZIP_NAME', 'a name with a backslash', archive('data/0', { name: 'm\\data\\0' })],
    ['PYTORCH_ZIP_NAME', 'a name with NUL', archive('data/0', { name: 'm/data/0\0.txt' })],
    [
      'PYTORCH_ZIP_NAME',
      'a name that is not UTF-8',
      archive('data/0', { central: { name: Uint8Array.of(0x6d, 0x2f, 0xff) } }),
    ],
    [
      'PYTORCH_ZIP_NAME',
      'a second name in an extra field',
      archive('data/0', { central: { extra: Uint8Array.of(0x75, 0x70, 1, 0, 1) } }),
    ],
    [
      'PYTORCH_ZIP_DUPLICATE',
      'one name twice',
      writeZip([...toTorchMembers(PICKLE, { 0: DATA }), { name: 'm/data.pkl', content: PICKLE }]),
    ],
    [
      'PYTORCH_ZIP_DUPLICATE',
      'one name in two cases',
      writeZip([...toTorchMembers(PICKLE, { 0: DATA }), { name: 'M/DATA.PKL', content: PICKLE }]),
    ],
    [
      'PYTORCH_ZIP_ENCRYPTED',
      'an encrypted member',
      archive('data.pkl', { central: { flags: 0x809 }, local: { flags: 0x809 } }),
    ],
    [
      'PYTORCH_ZIP_ENCRYPTED',
      'strong encryption',
      archive('data.pkl', { central: { flags: 0x848 }, local: { flags: 0x848 } }),
    ],
    ['PYTORCH_ZIP_FLAGS', 'patched data', archive('data.pkl', { central: { flags: 0x828 }, local: { flags: 0x828 } })],
    ['PYTORCH_ZIP_METHOD', 'bzip2', archive('data.pkl', { central: { method: 12 }, local: { method: 12 } })],
    ['PYTORCH_ZIP_COMPRESSED', 'a compressed storage', archive('data/0', { deflate: true })],
    [
      'PYTORCH_ZIP_CRC',
      'a wrong checksum (GHSA-7q5r-7gvp-wc82)',
      archive('data.pkl', { central: { crc: 1 }, local: { crc: 0 } }),
    ],
    [
      'PYTORCH_ZIP_BOMB',
      'zeros packed a thousand times',
      archive('data.pkl', { content: new Uint8Array(1_000_000), deflate: true }),
    ],
    ['PYTORCH_ZIP_BOMB', 'a promise of 4 GB', archive('data.pkl', { deflate: true, central: { size: 4_000_000_000 } })],
    [
      'PYTORCH_ZIP_INFLATE',
      'another size than promised',
      archive('data.pkl', { deflate: true, central: { size: PICKLE.length + 1 } }),
    ],
    ['PYTORCH_ZIP_INFLATE', 'damaged deflate', archive('data.pkl', { central: { method: 8 }, local: { method: 8 } })],
    ['PYTORCH_ZIP_LOCAL', 'another data descriptor', spoil('PK\x07\x08', 5)],
  ])('%s: %s', (code, _, bytes) => {
    expect(findTorchError(() => openBytes(bytes, 'm.pt'))).toBe(code);
  });
});

test('padding in front of data, as it aligns storages, is no gap', () => {
  const bytes = archive('data/0', { local: { extra: toPadding(40) } });
  expect(openBytes(bytes, 'm.pt').tensors).toHaveLength(1);
});
