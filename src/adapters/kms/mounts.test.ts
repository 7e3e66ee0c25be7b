import { expect, test } from 'vitest';
import { findVolumePath, readMountInfo } from './mounts.ts';

/** As Linux wrote it, of a container-like set of mounts. */
const MOUNTS = [
  '43 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard',
  '22 43 0:21 / /proc rw,relatime - proc proc rw',
  '63 43 254:0 /srv/models/keys /keys rw,relatime - ext4 /dev/vda rw',
  '64 43 254:16 / /mnt/two\\040words rw shared:1 - xfs /dev/vdb rw',
  '65 43 254:0 /srv/token /run/token rw - ext4 /dev/vda rw',
  '',
].join('\n');

test.each([
  ['/srv/models', '254:0:/srv/models'],
  ['/keys', '254:0:/srv/models/keys'],
  ['/keys/old', '254:0:/srv/models/keys/old'],
  ['/keys2', '254:0:/keys2'],
  ['/mnt/two words/a', '254:16:/a'],
  ['/run/token', '254:0:/srv/token'],
  ['/proc/self', '0:21:/self'],
  ['/', '254:0:/'],
])('%s lies at %s', (path, expected) => {
  expect(findVolumePath(path, MOUNTS)).toBe(expected);
});

test('what no mount holds lies nowhere', () => {
  expect(findVolumePath('/a/b', '')).toBeNull();
  expect(findVolumePath('C:\\a', readMountInfo())).toBeNull();
});
