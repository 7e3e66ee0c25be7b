/** Key services whose lists never end: a code, after a bounded number of requests. */
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { systemRandom } from '../system/index.ts';
import type { AwsClient } from './aws-kms/client.ts';
import { describeAwsKey, listAwsVersions } from './aws-kms/key.ts';
import { createAzureKv } from './azure-kv/azure-kv.ts';
import { createGcpKms } from './gcp-kms/gcp-kms.ts';
import { readPages } from './pages.ts';
import type { RestClient } from './rest.ts';

const GCP_KEY = 'projects/p/locations/l/keyRings/r/cryptoKeys/k';
const VAULT = 'https://models.vault.azure.net';
const KID = `${VAULT}/keys/k/${'a'.repeat(32)}`;

/** Answers by path, as a service would whose every page is empty and has a next one. */
function createEndless(replies: readonly (readonly [path: RegExp, reply: object])[]) {
  const asked: string[] = [];
  const client: RestClient = {
    host: 'kms.example',
    call: async <T>({ path }: { path: string }, schema: z.ZodType<T>) => {
      await Promise.resolve();
      asked.push(path);
      return schema.parse(replies.find(([pattern]) => pattern.test(path))?.[1]);
    },
    close: () => undefined,
  };
  return { asked, client };
}

const MALFORMED = { code: 'KEY_SERVICE_MALFORMED', fields: { at: 'pages' } };

describe('pages without end are refused', () => {
  test('Google Cloud KMS', async () => {
    const { asked, client } = createEndless([
      [/cryptoKeyVersions/, { nextPageToken: 'more' }],
      [/k$/, { purpose: 'ENCRYPT_DECRYPT', primary: { name: `${GCP_KEY}/cryptoKeyVersions/1` } }],
    ]);
    const provider = createGcpKms({ client, key: GCP_KEY, pause: () => Promise.resolve() });
    await expect(provider.describe()).rejects.toMatchObject(MALFORMED);
    expect(asked.length).toBeLessThan(100);
    expect(asked[1]).not.toContain('pageToken');
    expect(asked[2]).toContain('pageToken=more');
  });

  test('Azure Key Vault', async () => {
    const { asked, client } = createEndless([
      [/versions/, { value: [], nextLink: `${VAULT}/keys/k/versions?$skiptoken=x` }],
      [/k$/, { key: { kid: KID, kty: 'RSA' }, attributes: { enabled: true } }],
    ]);
    const provider = createAzureKv({ client, vault: VAULT, key: 'k', random: systemRandom });
    await expect(provider.describe()).rejects.toMatchObject(MALFORMED);
    expect(asked.length).toBeLessThan(100);
    expect(asked[2]).toContain('skiptoken');
  });

  test('AWS KMS', async () => {
    const markers: unknown[] = [];
    const id = '12345678-1234-1234-1234-123456789012';
    const Arn = `arn:aws:kms:eu-west-1:111122223333:key/${id}`;
    const metadata = { Arn, KeyId: id, KeyState: 'Enabled', KeyUsage: 'ENCRYPT_DECRYPT' };
    const client: AwsClient = {
      host: 'kms.example',
      call: async (action, body, schema) => {
        await Promise.resolve();
        if (action === 'DescribeKey')
          return schema.parse({ KeyMetadata: { ...metadata, CurrentKeyMaterialId: 'b'.repeat(64) } });
        markers.push((JSON.parse(Buffer.from(body).toString()) as { Marker?: string }).Marker);
        return schema.parse({ Rotations: [], Truncated: true, NextMarker: 'more' });
      },
      close: () => undefined,
    };
    const key = await describeAwsKey(client, id);
    await expect(listAwsVersions(client, key)).rejects.toMatchObject(MALFORMED);
    expect(markers.length).toBeLessThan(100);
    expect(markers.slice(0, 2)).toEqual([undefined, 'more']);
  });
});

test('pages are read one after the other, up to the last one', async () => {
  const pages = [
    { items: [1, 2], next: 1 },
    { items: [], next: 2 },
    { items: [3], next: null },
  ];
  expect(await readPages((next: number | null) => Promise.resolve(pages[next ?? 0]), 'host')).toEqual([1, 2, 3]);
});

test('more than a description lists is not asked for', async () => {
  let asked = 0;
  const page = { items: Array<number>(400).fill(1), next: 'more' };
  const ask = (): Promise<typeof page> => {
    asked++;
    return Promise.resolve(page);
  };
  expect((await readPages(ask, 'host')).length).toBeGreaterThanOrEqual(1000);
  expect(asked).toBe(3);
});
