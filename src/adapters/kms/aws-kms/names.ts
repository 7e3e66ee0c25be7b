/** Names of AWS KMS keys: ARNs, aliases, key ids; and our names for the versions of a key. */
import { SealError } from '../../../core/errors.ts';

/** Where a key lives, and what the user called it: a key or an alias of one. */
export interface AwsName {
  readonly partition: string;
  readonly region: string;
  readonly account: string;
  readonly kind: 'key' | 'alias';
  /** Key id, or the alias's name with `alias/`. */
  readonly id: string;
}

const ARN =
  /^arn:(aws(?:-[a-z]+)*):kms:([a-z0-9-]{1,32}):(\d{12}):(?:key\/([0-9a-z-]{1,64})|(alias\/[A-Za-z0-9/_-]{1,256}))$/;

/** Undefined for what is no ARN of a key or alias. */
export function findAwsName(arn: string): AwsName | undefined {
  const match = ARN.exec(arn) as readonly (string | undefined)[] | null;
  if (match === null) return undefined;
  const [, partition = '', region = '', account = '', key, alias] = match;
  const place = { partition, region, account };
  return key === undefined ? { ...place, kind: 'alias', id: alias ?? '' } : { ...place, kind: 'key', id: key };
}

export function toArn({ partition, region, account, kind, id }: AwsName): string {
  return `arn:${partition}:kms:${region}:${account}:${kind === 'key' ? 'key/' : ''}${id}`;
}

/** True when both are one key. A multi-Region key is one key in all Regions: its replicas share material and id. */
export function isSameKey(a: AwsName, b: AwsName): boolean {
  const isMultiRegion = a.kind === 'key' && a.id.startsWith('mrk-');
  const isPlace = a.partition === b.partition && a.account === b.account && (isMultiRegion || a.region === b.region);
  return isPlace && a.kind === b.kind && a.id === b.id;
}

/** One version: the key behind the name, and its material. */
export interface AwsVersion {
  readonly keyId: string;
  /** The service's id of the key material, 64 hex digits; where it does not tell one, rotations so far and one. */
  readonly material: string;
}

/** A key is called by its material. An alias may lead to another key tomorrow, so that the key is part of the version. */
export function toVersionName(name: AwsName, { keyId, material }: AwsVersion): string {
  return name.kind === 'key' ? material : `${keyId}/${material}`;
}

/** @throws SealError KEY_VERSION_GONE for what never was a version of this key */
export function parseVersionName(name: AwsName, version: string): AwsVersion {
  const match = /^(?:([0-9a-z-]{1,64})\/)?([0-9a-f]{64}|[1-9]\d{0,3})$/.exec(version) as
    | readonly (string | undefined)[]
    | null;
  const [, keyId, material] = match ?? [];
  if (material === undefined || (keyId === undefined) !== (name.kind === 'key')) {
    throw new SealError('KEY_VERSION_GONE', { fields: { keyRef: toArn(name) } });
  }
  return { keyId: keyId ?? name.id, material };
}
