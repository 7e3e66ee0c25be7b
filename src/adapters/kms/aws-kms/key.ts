/** What AWS KMS tells of one key: its state, its current material, its rotations. */
import { z } from 'zod';
import { SealError } from '../../../core/errors.ts';
import { SEAL_LIMITS } from '../../../core/limits/seal.ts';
import type { KeyVersionState } from '../../../seal/ports.ts';
import { readPages } from '../pages.ts';
import { toJson } from '../rest.ts';
import type { AwsClient } from './client.ts';
import { type AwsVersion, findAwsName } from './names.ts';

export interface AwsKey extends AwsVersion {
  readonly arn: string;
  /** RFC 3339; null where the service does not tell. */
  readonly createdAt: string | null;
  readonly state: KeyVersionState;
  /** True where the service names its materials; they are counted where it does not. */
  readonly isMaterialTold: boolean;
}

const materialId = z.string().regex(/^[0-9a-f]{64}$/);
const unixSeconds = z.number().min(0).max(8e9);

const describeReply = z.object({
  KeyMetadata: z.object({
    Arn: z.string().refine((arn) => findAwsName(arn)?.kind === 'key'),
    KeyId: z.string().regex(/^[0-9a-z-]{1,64}$/),
    KeyState: z.string().max(64),
    KeyUsage: z.string().max(64),
    KeySpec: z.string().max(64).optional(),
    CreationDate: unixSeconds.optional(),
    CurrentKeyMaterialId: materialId.optional(),
  }),
});

const rotationsReply = z.object({
  Rotations: z
    .array(
      z.object({
        RotationDate: unixSeconds.optional(),
        KeyMaterialId: materialId.optional(),
        KeyMaterialState: z.string().max(64).optional(),
      }),
    )
    .max(SEAL_LIMITS.keyVersionsMax),
  Truncated: z.boolean().optional(),
  NextMarker: z.string().max(2048).optional(),
});

type Rotation = z.infer<typeof rotationsReply>['Rotations'][number];

/**
 * @param key key id, alias or ARN
 * @throws SealError KEY_SERVICE_UNFIT for a key that is not symmetric and for encryption; KEY_SERVICE_MISSING; others of
 *   the client
 */
export async function describeAwsKey(client: AwsClient, key: string): Promise<AwsKey> {
  const { KeyMetadata: told } = await client.call('DescribeKey', toJson({ KeyId: key }), describeReply);
  if (told.KeyUsage !== 'ENCRYPT_DECRYPT' || (told.KeySpec ?? 'SYMMETRIC_DEFAULT') !== 'SYMMETRIC_DEFAULT') {
    throw new SealError('KEY_SERVICE_UNFIT', { fields: { keyRef: told.Arn } });
  }
  const material = told.CurrentKeyMaterialId ?? String((await listRotations(client, told.KeyId)).length + 1);
  return {
    arn: told.Arn,
    keyId: told.KeyId,
    material,
    isMaterialTold: told.CurrentKeyMaterialId !== undefined,
    createdAt: toTime(told.CreationDate),
    state: told.KeyState === 'Enabled' ? 'enabled' : 'disabled',
  };
}

/** All materials in ascending order; the current one alone where the rotations may not be listed. */
export async function listAwsVersions(
  client: AwsClient,
  key: AwsKey,
): Promise<readonly { readonly material: string; readonly createdAt: string | null }[]> {
  const rotations = await listRotations(client, key.keyId);
  if (!key.isMaterialTold) {
    const dates = [key.createdAt, ...rotations.map(({ RotationDate }) => toTime(RotationDate))];
    return dates.map((createdAt, index) => ({ material: String(index + 1), createdAt }));
  }
  const versions = rotations.flatMap(({ KeyMaterialId: material, KeyMaterialState: state, RotationDate }) =>
    material === undefined || state?.startsWith('PENDING') === true
      ? []
      : // The first material came with the key, by no rotation.
        [{ material, createdAt: toTime(RotationDate) ?? key.createdAt }],
  );
  const current = { material: key.material, createdAt: versions.length === 0 ? key.createdAt : null };
  const all = versions.some(({ material }) => material === key.material) ? versions : [...versions, current];
  return [...all].sort((a, b) => (a.createdAt ?? '~').localeCompare(b.createdAt ?? '~'));
}

/** Empty where the caller may not list them: to wrap and unwrap needs no such right. */
async function listRotations(client: AwsClient, keyId: string): Promise<readonly Rotation[]> {
  return readPages(async (marker: string | null) => {
    const next = marker === null ? {} : { Marker: marker };
    const body = toJson({ KeyId: keyId, IncludeKeyMaterial: 'ALL_KEY_MATERIAL', Limit: 1000, ...next });
    try {
      const page = await client.call('ListKeyRotations', body, rotationsReply);
      return { items: page.Rotations, next: page.NextMarker ?? null };
    } catch (error) {
      if (error instanceof SealError && MAY_NOT.has(error.code)) return { items: [], next: null };
      throw error;
    }
  }, client.host);
}

/** No right to list, or a key of a kind that is never rotated. */
const MAY_NOT: ReadonlySet<string> = new Set(['KEY_REFUSED', 'KEY_SERVICE_UNFIT']);

function toTime(seconds: number | undefined): string | null {
  return seconds === undefined ? null : new Date(Math.round(seconds * 1000)).toISOString();
}
