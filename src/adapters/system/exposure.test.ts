import { describe, expect, test } from 'vitest';
import { findExposures, readSystemText } from './exposure.ts';

const LIMITS = (soft: string): string =>
  `Limit                     Soft Limit           Hard Limit           Units     
Max stack size            8388608              unlimited            bytes     
Max core file size        ${soft.padEnd(20)} unlimited            bytes     
`;
const SWAPS = (...lines: string[]): string =>
  `Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n${lines.map((line) => `${line}\n`).join('')}`;

/** A machine without core dumps and swap, but for what is named. */
function find(files: Readonly<Record<string, string>>): string[] {
  const all: Record<string, string | undefined> = {
    '/proc/self/limits': LIMITS('0'),
    '/proc/sys/kernel/core_pattern': 'core\n',
    '/proc/swaps': SWAPS(),
    '/proc/self/cgroup': '0::/system.slice/a.service\n',
    ...files,
  };
  return findExposures((path) => all[path] ?? null).map(({ text }) => text);
}

const SYSTEMD = '|/usr/lib/systemd/systemd-coredump %P %u %g %s %t %c %h\n';
const APPORT = '|/usr/share/apport/apport -p%p -s%s -c%c -- %E\n';
const PARTITION = '/dev/sda2                               partition\t2097148\t\t0\t\t-2';

describe('core dumps', () => {
  test.each([
    ['no limit, into a file', 'unlimited', 'core\n', ['core dumps are on']],
    ['a few bytes, into a file', '4096', '/var/cores/%p\n', ['core dumps are on']],
    ['a limit of 0, into a file', '0', 'core\n', []],
    ['no limit, to systemd', 'unlimited', SYSTEMD, ['core dumps go to systemd-coredump']],
    ['a limit of 0, to systemd, which keeps to it', '0', SYSTEMD, []],
    ['a limit of 0, to a program that does not', '0', APPORT, ['core dumps go to apport']],
    ['a limit of 1, at which the kernel hands nothing on', '1', APPORT, []],
  ])('%s', (_name, soft, pattern, told) => {
    expect(find({ '/proc/self/limits': LIMITS(soft), '/proc/sys/kernel/core_pattern': pattern })).toEqual(told);
  });
});

describe('swap', () => {
  test.each([
    ['a partition', [PARTITION], {}, ['swap of 2.00 GiB is on']],
    ['a file', ['/swap\\040file file\t\t1024\t\t0\t\t-2'], {}, ['swap of 1.00 MiB is on']],
    ['none', [], {}, []],
    ['compressed memory', ['/dev/zram0 partition\t1024\t0\t100'], {}, []],
    [
      'compressed memory that is written out',
      ['/dev/zram0 partition\t1024\t0\t100'],
      { '/sys/block/zram0/backing_dev': '/dev/sda3\n' },
      ['swap of 1.00 MiB is on'],
    ],
    [
      'an encrypted device',
      ['/dev/dm-1 partition\t1024\t0\t-2'],
      { '/sys/block/dm-1/dm/uuid': 'CRYPT-PLAIN-swap\n' },
      [],
    ],
    [
      'a volume that is not encrypted',
      ['/dev/dm-1 partition\t1024\t0\t-2'],
      { '/sys/block/dm-1/dm/uuid': 'LVM-abc\n' },
      ['swap of 1.00 MiB is on'],
    ],
    [
      'an encrypted device and a plain one: the plain one counts',
      ['/dev/dm-1 partition\t4096\t0\t-2', '/dev/sdb1 partition\t1024\t0\t-3'],
      { '/sys/block/dm-1/dm/uuid': 'CRYPT-LUKS2-x\n' },
      ['swap of 1.00 MiB is on'],
    ],
  ])('%s', (_name, lines, files, told) => {
    expect(find({ '/proc/swaps': SWAPS(...lines), ...files })).toEqual(told);
  });

  test.each([
    ['its own group', '/sys/fs/cgroup/system.slice/a.service/memory.swap.max', '0\n', []],
    ['a group around it', '/sys/fs/cgroup/system.slice/memory.swap.max', '0\n', []],
    ['the group of a container', '/sys/fs/cgroup/memory.swap.max', '0\n', []],
    [
      'its own group, some',
      '/sys/fs/cgroup/system.slice/a.service/memory.swap.max',
      '1048576\n',
      ['swap of 2.00 GiB is on'],
    ],
    ['another group', '/sys/fs/cgroup/system.slice/b.service/memory.swap.max', '0\n', ['swap of 2.00 GiB is on']],
  ])('forbidden by %s', (_name, path, text, told) => {
    expect(find({ '/proc/swaps': SWAPS(PARTITION), [path]: text })).toEqual(told);
  });

  test('a group that is shown by a way up leads nowhere else', () => {
    const files = { '/proc/swaps': SWAPS(PARTITION), '/proc/self/cgroup': '0::/../../etc\n' };
    expect(find({ ...files, '/sys/fs/cgroup/../../etc/memory.swap.max': '0' })).toHaveLength(1);
    expect(find({ ...files, '/sys/fs/cgroup/memory.swap.max': '0' })).toEqual([]);
  });
});

test('both are told', () => {
  expect(find({ '/proc/self/limits': LIMITS('unlimited'), '/proc/swaps': SWAPS(PARTITION) })).toHaveLength(2);
});

test('where nothing can be read, and from nonsense, nothing is said', () => {
  expect(findExposures(() => null)).toEqual([]);
  expect(findExposures(() => 'nonsense\n\0 x\n-1 -1 -1 -1\n')).toEqual([]);
});

test('this machine can be asked', () => {
  expect(readSystemText('/proc/does/not/exist')).toBeNull();
  for (const { kind, text } of findExposures(readSystemText)) {
    expect(['core', 'swap']).toContain(kind);
    expect(text).not.toContain('\n');
  }
});
