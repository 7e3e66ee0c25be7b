/** How old a key is, what hangs on which of its versions, and when it is to be rotated. */
import type { KeyDescription, KeyVersionState } from '../../seal/index.ts';
import type { OpenedKeys, Services } from '../services.ts';
import { type KeyAge, toKeyAge } from './due.ts';
import { countEnvelopes, type EnvelopeFault } from './envelopes.ts';

export interface KeyStatus {
  readonly scheme: string;
  readonly type: string;
  readonly keyRef: string;
  readonly currentVersion: string;
  readonly standing: string | null;
  readonly age: KeyAge;
  readonly versions: readonly {
    readonly version: string;
    readonly createdAt: string | null;
    /** `unlisted`: an envelope names it, and the service does not. */
    readonly state: KeyVersionState | 'unlisted';
    readonly isCurrent: boolean;
    /** Wrapped keys that hang on it. */
    readonly wrappedKeys: number;
  }[];
  readonly envelopes: number;
  readonly others: number;
  readonly faults: readonly EnvelopeFault[];
}

/** @throws SealError from the provider */
export async function getKeyStatus(
  { storage, clock }: Pick<Services, 'storage' | 'clock'>,
  keys: OpenedKeys,
  folder: string,
): Promise<KeyStatus> {
  const key = await keys.provider.describe();
  const { byVersion, envelopes, others, faults } = countEnvelopes(storage, folder, key);
  const { type, keyRef, currentVersion, standing } = key;
  const current = key.versions.find(({ version }) => version === currentVersion);
  return {
    ...{ scheme: keys.scheme, type, keyRef, currentVersion, standing },
    age: toKeyAge(current?.createdAt ?? null, clock.nowMs()),
    versions: listVersions(key, byVersion),
    ...{ envelopes, others, faults },
  };
}

function listVersions(key: KeyDescription, byVersion: ReadonlyMap<string, number>): KeyStatus['versions'] {
  const known = new Set(key.versions.map(({ version }) => version));
  const unlisted = [...byVersion.keys()].filter((version) => !known.has(version));
  return [
    ...unlisted.map((version) => ({ version, createdAt: null, state: 'unlisted' as const })),
    ...key.versions,
  ].map((each) => ({
    ...each,
    isCurrent: each.version === key.currentVersion,
    wrappedKeys: byVersion.get(each.version) ?? 0,
  }));
}
