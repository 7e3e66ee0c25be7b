import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseKeyUri } from '../../seal/index.ts';
import { assertKeyApart, toSecretPaths } from './separation.ts';

const work = mkdtempSync(join(tmpdir(), 'modelward-apart-'));

afterAll(() => {
  rmSync(work, { recursive: true });
});

describe('key and seal apart', () => {
  test.each([
    ['the same folder', 'a/kek.json', 'a/net.seal', true],
    ['key below the seal', 'a/keys/kek.json', 'a/net.seal', true],
    ['seal below the key', 'a/kek.json', 'a/out/net.seal', true],
    ['sister folders', 'a/keys/kek.json', 'a/out/net.seal', false],
    ['a name that only starts the same', 'a/out2/kek.json', 'a/out/net.seal', false],
  ])('%s', (_, key, sealed, isRefused) => {
    const check = (): void => {
      assertKeyApart(join(work, key), join(work, sealed));
    };
    if (isRefused) expect(check).toThrow(expect.objectContaining({ code: 'KEY_NOT_APART' }));
    else expect(check).not.toThrow();
  });

  test('links are resolved first', () => {
    mkdirSync(join(work, 'real'));
    symlinkSync(join(work, 'real'), join(work, 'other-name'));
    expect(() => {
      assertKeyApart(join(work, 'other-name/kek.json'), join(work, 'real/new/net.seal'));
    }).toThrow(expect.objectContaining({ code: 'KEY_NOT_APART' }));
  });

  test('a link to a file counts where it lies and where it leads', () => {
    for (const folder of ['weights', 'secrets']) mkdirSync(join(work, folder));
    writeFileSync(join(work, 'weights/token'), 'x');
    symlinkSync(join(work, 'weights/token'), join(work, 'secrets/token'));
    for (const sealed of ['weights/net.seal', 'secrets/net.seal']) {
      expect(() => assertKeyApart(join(work, 'secrets/token'), join(work, sealed))).toThrow(
        expect.objectContaining({ code: 'KEY_NOT_APART' }),
      );
    }
    expect(() => assertKeyApart(join(work, 'secrets/token'), join(work, 'elsewhere/net.seal'))).not.toThrow();
  });

  test('a bind mount is known by where its folder lies on the volume', () => {
    const root = '43 1 254:0 / / rw,relatime - ext4 /dev/vda rw';
    const bind = `63 43 254:0 ${work}/served/keys ${work}/mounted rw,relatime - ext4 /dev/vda rw`;
    const check = (...mounts: readonly string[]): unknown =>
      assertKeyApart(join(work, 'mounted/kek.json'), join(work, 'served/net.seal'), mounts.join('\n'));
    expect(() => check(root)).not.toThrow();
    expect(() => check(root, bind)).toThrow(expect.objectContaining({ code: 'KEY_NOT_APART' }));
    const file = `63 43 254:0 ${work}/served/kek.json ${work}/mounted/kek.json rw,relatime - ext4 /dev/vda rw`;
    expect(() => check(root, file)).toThrow(expect.objectContaining({ code: 'KEY_NOT_APART' }));
    // Another mount at the same place covers it.
    const over = `64 63 0:99 / ${work}/mounted rw - tmpfs tmpfs rw`;
    expect(() => check(root, bind, over)).not.toThrow();
  });

  test.each([
    ['the same prefix', 's3://b/models/kek.json', 's3://b/models/net.seal', true],
    ['the key below the seal', 's3://b/models/keys/kek.json', 's3://b/models/net.seal', true],
    ['the seal below the key', 'gs://b/kek.json', 'gs://b/models/net.seal', true],
    ['another spelling of the same', 's3:b/m/kek.json', 's3://b/m/net.seal', true],
    ['sister prefixes', 's3://b/keys/kek.json', 's3://b/models/net.seal', false],
    ['a prefix that only starts the same', 's3://b/models2/kek.json', 's3://b/models/net.seal', false],
    ['another bucket', 's3://keys/m/kek.json', 's3://models/m/net.seal', false],
    ['another store', 's3://b/m/kek.json', 'gs://b/m/net.seal', false],
    ['a file and an object', '/m/kek.json', 's3://b/m/net.seal', false],
  ])('objects: %s', (_, key, sealed, isRefused) => {
    const check = (): unknown => assertKeyApart(key, sealed);
    if (isRefused) expect(check).toThrow(expect.objectContaining({ code: 'KEY_NOT_APART' }));
    else expect(check()).toEqual({ isSameVolume: false });
  });

  test('one volume is told, another is not', () => {
    expect(assertKeyApart(join(work, 'keys/kek.json'), join(work, 'out/net.seal'))).toEqual({ isSameVolume: true });
    // Another file system on every Linux, and on others the same answer for both.
    const isOther = statSync(work).dev !== statSync('/proc', { throwIfNoEntry: false })?.dev;
    expect(assertKeyApart(join(work, 'keys/kek.json'), '/proc/out/net.seal')).toEqual({ isSameVolume: !isOther });
  });

  test.each([
    ['local:/a/kek.json', ['/a/kek.json']],
    ['age:/a/identity.txt', ['/a/identity.txt']],
    ['vault:transit/m?addr=https://v&token-file=/a/token&ca-file=/a/ca.pem', ['/a/token']],
    ['vault:transit/m?addr=https://v&approle-file=/a/role', ['/a/role']],
    ['gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k?credentials-file=/a/sa.json', ['/a/sa.json']],
    ['azure-kv:https://models.vault.azure.net/keys/k?credentials-file=/a/sp.json', ['/a/sp.json']],
    ['pkcs11:object=m?pin-source=/a/pin&module-path=/usr/lib/p11.so', ['/a/pin']],
    ['aws-kms:alias/m?region=eu-west-1', []],
  ])('%s: the files that must lie apart', (uri, paths) => {
    expect(toSecretPaths(parseKeyUri(uri))).toEqual(paths);
  });
});
