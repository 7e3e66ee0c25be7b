/** The crash models themselves: what a disk may hold after a cut, and what it may not. */
import { describe, expect, test } from 'vitest';
import { utf8 } from '../../src/core/bytes.ts';
import { createRecordingStorage, type CrashModel, type RecordingStorage } from './recording-storage.ts';

const root = '/disk';

function read(storage: RecordingStorage, path: string): string | undefined {
  return storage.exists(path) ? Buffer.from(storage.read(path)).toString('utf8') : undefined;
}

/** Writes `text` to a new file, with the syncs that are asked for. */
function write(
  storage: RecordingStorage,
  path: string,
  text: string,
  syncs: { file?: boolean; folder?: boolean },
): void {
  const file = storage.create(path, 0o600);
  file.write(0, utf8(text));
  if (syncs.file === true) file.sync();
  file.close();
  if (syncs.folder === true) storage.syncFolder(root);
}

function crash(storage: RecordingStorage, model: CrashModel, count = storage.opCount()): RecordingStorage {
  return storage.crashAfter(count, model);
}

describe('recording storage', () => {
  test('only what was synced, content and name, survives the worst crash', () => {
    const storage = createRecordingStorage([root]);
    write(storage, `${root}/both`, 'both', { file: true, folder: true });
    write(storage, `${root}/file`, 'file', { file: true });
    write(storage, `${root}/none`, 'none', {});
    const dropped = crash(storage, { kind: 'drop' });
    expect(['both', 'file', 'none'].map((name) => read(dropped, `${root}/${name}`))).toEqual([
      'both',
      undefined,
      undefined,
    ]);
    const empty = crash(storage, { kind: 'drop-content' });
    expect(['both', 'file', 'none'].map((name) => read(empty, `${root}/${name}`))).toEqual(['both', 'file', '']);
    const kept = crash(storage, { kind: 'keep' });
    expect(read(kept, `${root}/none`)).toBe('none');
    expect(read(crash(storage, { kind: 'torn', bytes: 2 }), `${root}/none`)).toBe('no');
    expect(read(crash(storage, { kind: 'torn', bytes: -1 }), `${root}/none`)).toBe('non');
  });

  test('an unsynced rename leaves the old file or the new one, whole', () => {
    const storage = createRecordingStorage([root]);
    write(storage, `${root}/a`, 'old', { file: true, folder: true });
    write(storage, `${root}/a.tmp`, 'new', { file: true });
    storage.rename(`${root}/a.tmp`, `${root}/a`);
    expect(read(crash(storage, { kind: 'drop' }), `${root}/a`)).toBe('old');
    expect(read(crash(storage, { kind: 'keep' }), `${root}/a`)).toBe('new');
    storage.syncFolder(root);
    expect(read(crash(storage, { kind: 'drop' }), `${root}/a`)).toBe('new');
    expect(storage.list(root)).toEqual(['a']);
  });

  test('files of a folder whose own name was lost are lost with it', () => {
    const storage = createRecordingStorage([root]);
    storage.makeFolder(`${root}/sub`, 0o700);
    write(storage, `${root}/sub/a`, 'text', { file: true });
    storage.syncFolder(`${root}/sub`);
    expect(read(crash(storage, { kind: 'drop' }), `${root}/sub/a`)).toBeUndefined();
    storage.syncFolder(root);
    expect(read(crash(storage, { kind: 'drop' }), `${root}/sub/a`)).toBe('text');
  });

  test('an unsynced removal may come back, and an overwritten slot keeps its synced bytes', () => {
    const storage = createRecordingStorage([root]);
    write(storage, `${root}/a`, 'aaaa', { file: true, folder: true });
    const file = storage.openForUpdate(`${root}/a`);
    file.write(1, utf8('bb'));
    expect(read(crash(storage, { kind: 'drop' }), `${root}/a`)).toBe('aaaa');
    expect(read(crash(storage, { kind: 'torn', bytes: 1 }), `${root}/a`)).toBe('abaa');
    file.sync();
    storage.remove(`${root}/a`);
    expect(read(crash(storage, { kind: 'drop' }), `${root}/a`)).toBe('abba');
    expect(read(crash(storage, { kind: 'keep' }), `${root}/a`)).toBeUndefined();
  });

  test('after a kill all is there, and can still be lost by a later crash', () => {
    const storage = createRecordingStorage([root]);
    write(storage, `${root}/a`, 'a', {});
    const killed = storage.killedAfter(storage.opCount());
    expect(read(killed, `${root}/a`)).toBe('a');
    write(killed, `${root}/b`, 'b', { file: true, folder: true });
    const dropped = crash(killed, { kind: 'drop' });
    expect([read(dropped, `${root}/a`), read(dropped, `${root}/b`)]).toEqual(['', 'b']);
  });

  test('a prefix is replayed as it was: later changes are not seen', () => {
    const storage = createRecordingStorage([root]);
    write(storage, `${root}/a`, 'a', { file: true, folder: true });
    const count = storage.opCount();
    storage.remove(`${root}/a`);
    storage.syncFolder(root);
    expect(read(crash(storage, { kind: 'drop' }, count), `${root}/a`)).toBe('a');
    expect(read(crash(storage, { kind: 'drop' }), `${root}/a`)).toBeUndefined();
  });
});
