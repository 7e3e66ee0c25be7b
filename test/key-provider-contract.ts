/** The suite that every key provider passes (src/seal/ports.ts says the same in words): each test file calls it once. */
import { afterEach, describe, expect, test } from 'vitest';
import { toHex } from '../src/core/bytes.ts';
import { SEAL_LIMITS } from '../src/core/limits/seal.ts';
import type { EntryInput } from '../src/ledger/ports.ts';
import type { KeyContext, KeyProvider, WrappedKey } from '../src/seal/index.ts';
import { withKeyLog } from '../src/workflows/logged-key.ts';
import { seededBytes, seededRandom } from './fakes/seal-kit.ts';
import { expectRotationToSurvive, type Moment, type Outage } from './rotation-outage.ts';

/** One provider under test, with a key of its own. */
export interface ProviderUnderTest {
  readonly provider: KeyProvider;
  /** Makes the next version wrap, for services whose rotation is not the provider's. */
  readonly rotateOutside?: () => Promise<void>;
  /** Puts the service out of reach for the rest of the test. */
  readonly breakService?: () => Promise<void> | void;
  /** Puts it out of reach, and brings it back with all that it held. */
  readonly outage?: Outage;
}

/** What a provider can do besides wrapping and unwrapping; `versions`: it is rotated outside. `outage`: it can be out of reach; `return`: and be back. */
export type Ability = 'rotate' | 'rewrap' | 'disable' | 'versions' | 'outage' | 'return';

export interface KeyProviderContract {
  readonly name: string;
  readonly abilities: readonly Ability[];
  /** A fresh provider with a fresh key. */
  readonly make: () => Promise<ProviderUnderTest>;
  /** How many places of the wrapped bytes are altered; all of them without it. */
  readonly alterations?: number;
  /** False where a rotation ends no version, or ends it without the service; as `disable` without it. */
  readonly endsInService?: boolean;
}

const CONTEXT: KeyContext = { sealId: '0190b5a0-0000-7000-8000-000000000001', model: 'net', purpose: 'open' };
const DEK = seededBytes(42, 32);
const REFUSED = { code: 'KEY_REFUSED' };
const REFUSED_OR_GONE = { code: expect.stringMatching(/^KEY_(REFUSED|VERSION_GONE)$/) as string };

/** Runs the shared contract over one provider. */
export function runKeyProviderContract(contract: KeyProviderContract): void {
  const opened: KeyProvider[] = [];
  afterEach(async () => {
    for (const provider of opened.splice(0)) await provider.close?.();
  });
  const make = async (): Promise<ProviderUnderTest> => {
    const made = await contract.make();
    opened.push(made.provider);
    return made;
  };
  describe(`key provider contract: ${contract.name}`, () => {
    defineWrapping(contract, make);
    defineStrangers(make);
    if (contract.abilities.some((each) => each === 'rotate' || each === 'versions')) defineVersions(contract, make);
    if (contract.abilities.includes('outage')) defineOutage(make);
    if (contract.abilities.includes('return')) defineReturn(contract, make);
    defineLog(contract, make);
  });
}

type Make = () => Promise<ProviderUnderTest>;

async function expectDek(provider: KeyProvider, wrapped: WrappedKey, context = CONTEXT): Promise<void> {
  const dek = await provider.unwrapKey({ wrapped, context });
  expect(toHex(dek ?? new Uint8Array())).toBe(toHex(DEK));
}

function defineWrapping({ alterations }: KeyProviderContract, make: Make): void {
  test('unwrap gives back what was wrapped, each time in a buffer of its own', async () => {
    const { provider } = await make();
    const wrapped = await provider.wrapKey({ dek: DEK, context: CONTEXT });
    const dek = await provider.unwrapKey({ wrapped, context: CONTEXT });
    const again = await provider.unwrapKey({ wrapped, context: CONTEXT });
    expect(toHex(dek ?? new Uint8Array())).toBe(toHex(DEK));
    expect(dek?.byteLength).toBe(dek?.buffer.byteLength);
    dek?.fill(0);
    expect(toHex(again ?? new Uint8Array())).toBe(toHex(DEK));
  });

  test('the wrapped form hides the key, differs every time, and fits an envelope', async () => {
    const { provider } = await make();
    const first = await provider.wrapKey({ dek: DEK, context: CONTEXT });
    const second = await provider.wrapKey({ dek: DEK, context: CONTEXT });
    expect(toHex(first.wrapped)).not.toContain(toHex(DEK));
    expect(Buffer.from(first.wrapped).toString('latin1')).not.toContain(
      Buffer.from(DEK).toString('base64').slice(0, 40),
    );
    expect(toHex(first.wrapped)).not.toBe(toHex(second.wrapped));
    expect(first.wrapped.length).toBeLessThanOrEqual(SEAL_LIMITS.wrappedBytesMax);
    for (const name of [first.type, first.keyRef, first.keyVersion]) {
      expect(name.length).toBeGreaterThan(0);
      expect(name.length).toBeLessThanOrEqual(512);
    }
  });

  test('a model may have any name', async () => {
    const { provider } = await make();
    for (const model of ['Modèle "7"\\ 模型 🜂', 'a=b&c;d,e\n{}', 'x'.repeat(200)]) {
      const context = { ...CONTEXT, model };
      await expectDek(provider, await provider.wrapKey({ dek: DEK, context }), context);
    }
  });

  test.each(Object.keys(CONTEXT) as (keyof KeyContext)[])('a changed %s in the context is refused', async (member) => {
    const { provider } = await make();
    const wrapped = await provider.wrapKey({ dek: DEK, context: CONTEXT });
    const changed = { ...CONTEXT, [member]: `${CONTEXT[member]}x` };
    await expect(provider.unwrapKey({ wrapped, context: changed })).rejects.toMatchObject(REFUSED);
    const upper = { ...CONTEXT, [member]: CONTEXT[member].toUpperCase().replace(/^0/, '1') };
    await expect(provider.unwrapKey({ wrapped, context: upper })).rejects.toMatchObject(REFUSED);
  });

  test('members of the context cannot be moved into each other', async () => {
    const { provider } = await make();
    const wrapped = await provider.wrapKey({ dek: DEK, context: { ...CONTEXT, model: 'ab', purpose: 'c' } });
    const moved = { ...CONTEXT, model: 'a', purpose: 'bc' };
    await expect(provider.unwrapKey({ wrapped, context: moved })).rejects.toMatchObject(REFUSED);
  });

  test('flipped, truncated, lengthened and oversized bytes are refused', async () => {
    const { provider } = await make();
    const key = await provider.wrapKey({ dek: DEK, context: CONTEXT });
    const step = Math.max(1, Math.ceil(key.wrapped.length / (alterations ?? key.wrapped.length)));
    const altered = [
      new Uint8Array(),
      new Uint8Array([...key.wrapped, 0]),
      new Uint8Array(SEAL_LIMITS.wrappedBytesMax + 1).fill(key.wrapped[0]),
    ];
    for (let at = 0; at < key.wrapped.length; at += step) {
      const flipped = key.wrapped.slice();
      flipped[at] ^= 0x10;
      altered.push(flipped, key.wrapped.slice(0, at));
    }
    for (const wrapped of altered) {
      const request = { wrapped: { ...key, wrapped }, context: CONTEXT };
      await expect(provider.unwrapKey(request)).rejects.toMatchObject(REFUSED_OR_GONE);
    }
    await expectDek(provider, key);
  });

  test('no error carries the key', async () => {
    const { provider } = await make();
    const wrapped = await provider.wrapKey({ dek: DEK, context: CONTEXT });
    const context = { ...CONTEXT, model: 'other' };
    const error: unknown = await provider.unwrapKey({ wrapped, context }).catch((reason: unknown) => reason);
    const text = JSON.stringify(error, Object.getOwnPropertyNames(error)) + String((error as Error).stack);
    expect(text).not.toContain(toHex(DEK));
    expect(text).not.toContain(Buffer.from(DEK).toString('base64'));
  });
}

function defineStrangers(make: Make): void {
  test('a key of another type or another provider key is "not mine": null, not an error', async () => {
    const { provider } = await make();
    const mine = await provider.wrapKey({ dek: DEK, context: CONTEXT });
    const other = await make();
    const strangers: WrappedKey[] = [
      { ...mine, type: 'no-such-type' },
      { ...mine, keyRef: 'someone-else' },
      { ...mine, keyRef: '' },
      await other.provider.wrapKey({ dek: DEK, context: CONTEXT }),
    ];
    for (const wrapped of strangers) expect(await provider.unwrapKey({ wrapped, context: CONTEXT })).toBeNull();
  });

  test('a wrong version is gone or refused', async () => {
    const { provider } = await make();
    const mine = await provider.wrapKey({ dek: DEK, context: CONTEXT });
    for (const keyVersion of ['', '0', '999', `${mine.keyVersion}0`, '../1', '-1', 'x'.repeat(600)]) {
      const request = { wrapped: { ...mine, keyVersion }, context: CONTEXT };
      await expect(provider.unwrapKey(request)).rejects.toMatchObject(REFUSED_OR_GONE);
    }
  });

  test('the description names the key and the version that wraps', async () => {
    const { provider } = await make();
    const { type, keyRef, keyVersion } = await provider.wrapKey({ dek: DEK, context: CONTEXT });
    const told = await provider.describe();
    expect(told).toMatchObject({ type, keyRef, currentVersion: keyVersion });
    expect(told.versions.find(({ version }) => version === keyVersion)).toMatchObject({ state: 'enabled' });
    for (const { createdAt } of told.versions) {
      if (createdAt !== null) expect(createdAt).toBe(new Date(createdAt).toISOString());
    }
  });
}

async function rotate({ provider, rotateOutside }: ProviderUnderTest): Promise<void> {
  if (rotateOutside !== undefined) await rotateOutside();
  else await provider.rotate?.();
}

function defineVersions({ abilities }: KeyProviderContract, make: Make): void {
  test('after a rotation new keys carry the new version, and old ones still unwrap', async () => {
    const made = await make();
    const { provider } = made;
    const before = await provider.wrapKey({ dek: DEK, context: CONTEXT });
    await rotate(made);
    const after = await provider.wrapKey({ dek: DEK, context: CONTEXT });
    expect(after.keyVersion).not.toBe(before.keyVersion);
    expect(after.keyRef).toBe(before.keyRef);
    expect((await provider.describe()).currentVersion).toBe(after.keyVersion);
    for (const wrapped of [before, after]) await expectDek(provider, wrapped);
    for (const [from, to] of [
      [before, after],
      [after, before],
    ] as const) {
      const request = { wrapped: { ...from, keyVersion: to.keyVersion }, context: CONTEXT };
      await expect(provider.unwrapKey(request)).rejects.toMatchObject(REFUSED_OR_GONE);
    }
  });

  if (abilities.includes('rotate')) {
    test('rotate tells the version that wraps from then on', async () => {
      const { provider } = await make();
      const version = await provider.rotate?.();
      expect(version).not.toBeUndefined();
      expect((await provider.wrapKey({ dek: DEK, context: CONTEXT })).keyVersion).toBe(version);
    });
  }

  if (abilities.includes('rewrap')) {
    test('rewrap changes the version and not the key; a wrong context or altered bytes are refused', async () => {
      const made = await make();
      const { provider } = made;
      const before = await provider.wrapKey({ dek: DEK, context: CONTEXT });
      await rotate(made);
      const after = await provider.rewrapKey?.({ wrapped: before, context: CONTEXT });
      expect(after?.keyVersion).toBe((await provider.describe()).currentVersion);
      expect(after?.keyVersion).not.toBe(before.keyVersion);
      await expectDek(provider, after ?? before);
      const moved = provider.rewrapKey?.({ wrapped: before, context: { ...CONTEXT, model: 'other' } });
      await expect(moved).rejects.toMatchObject(REFUSED);
      const wrapped = before.wrapped.slice();
      wrapped[wrapped.length - 1] ^= 0x10;
      const altered = provider.rewrapKey?.({ wrapped: { ...before, wrapped }, context: CONTEXT });
      await expect(altered).rejects.toMatchObject(REFUSED_OR_GONE);
    });
  }

  if (abilities.includes('disable')) {
    test('a disabled version refuses, says so, and leaves the others as they are', async () => {
      const made = await make();
      const { provider } = made;
      const before = await provider.wrapKey({ dek: DEK, context: CONTEXT });
      await rotate(made);
      const after = await provider.wrapKey({ dek: DEK, context: CONTEXT });
      await provider.disableVersion?.(before.keyVersion);
      const request = { wrapped: before, context: CONTEXT };
      await expect(provider.unwrapKey(request)).rejects.toMatchObject({ code: 'KEY_VERSION_GONE' });
      await expectDek(provider, after);
      const { versions } = await provider.describe();
      expect(versions.find(({ version }) => version === before.keyVersion)?.state ?? 'gone').not.toBe('enabled');
    });

    test('the current version is not disabled; an unknown one is gone', async () => {
      const { provider } = await make();
      const wrapped = await provider.wrapKey({ dek: DEK, context: CONTEXT });
      const current = provider.disableVersion?.(wrapped.keyVersion);
      await expect(current).rejects.toMatchObject({ code: 'KEY_VERSION_CURRENT' });
      await expect(provider.disableVersion?.('999')).rejects.toMatchObject({ code: 'KEY_VERSION_GONE' });
      await expectDek(provider, wrapped);
    });
  }
}

function defineOutage(make: Make): void {
  test('an outage has its own code, so that the caller tries again', async () => {
    const { provider, breakService } = await make();
    const wrapped = await provider.wrapKey({ dek: DEK, context: CONTEXT });
    await breakService?.();
    const outage = { code: 'KEY_PROVIDER_UNAVAILABLE' };
    await expect(provider.wrapKey({ dek: DEK, context: CONTEXT })).rejects.toMatchObject(outage);
    await expect(provider.unwrapKey({ wrapped, context: CONTEXT })).rejects.toMatchObject(outage);
    await expect(provider.describe()).rejects.toMatchObject(outage);
    if (provider.rotate) await expect(provider.rotate()).rejects.toMatchObject(outage);
    if (provider.rewrapKey)
      await expect(provider.rewrapKey({ wrapped, context: CONTEXT })).rejects.toMatchObject(outage);
    const foreign = { ...wrapped, keyRef: 'someone-else' };
    expect(await provider.unwrapKey({ wrapped: foreign, context: CONTEXT })).toBeNull();
  });
}

const MOMENTS: readonly Moment[] = [
  { use: 'rotate', nth: 1, when: 'before' },
  { use: 'rotate', nth: 1, when: 'after' },
  { use: 'unwrapKey', nth: 3, when: 'before' },
  { use: 'unwrapKey', nth: 3, when: 'after' },
  { use: 'disableVersion', nth: 1, when: 'before' },
];

function defineReturn(
  { abilities, endsInService = abilities.includes('disable') }: KeyProviderContract,
  make: Make,
): void {
  const moments = MOMENTS.filter(({ use }) => use !== 'disableVersion' || endsInService);
  test.each(
    moments,
  )('an outage $when use $nth of $use, while rotating, loses nothing; the next run ends it', async (moment) => {
    const { provider, outage = { begin: () => undefined, end: () => undefined } } = await make();
    await expectRotationToSurvive(provider, moment, outage);
  });
}

/** Counts the calls that reach the provider, refusals included. */
function countCalls(provider: KeyProvider): { readonly provider: KeyProvider; readonly calls: string[] } {
  const calls: string[] = [];
  const counted = new Proxy(provider, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== 'function' || name === 'describe' || name === 'close') return value;
      return (...given: unknown[]) => {
        calls.push(String(name));
        return Reflect.apply(value, target, given) as unknown;
      };
    },
  });
  return { provider: counted, calls };
}

function defineLog({ abilities }: KeyProviderContract, make: Make): void {
  test('every use of the key is in the ledger, refusals too: as many intents and outcomes as calls', async () => {
    const made = await make();
    const entries: EntryInput[] = [];
    const counted = countCalls(made.provider);
    const ledger = {
      append: (batch: readonly EntryInput[]) => {
        entries.push(...batch);
        return Promise.resolve({ firstIndex: 0, checkpoint: '' });
      },
      refuse: () => Promise.resolve(),
    };
    const { keyRef } = await made.provider.describe();
    const keys = withKeyLog({ provider: counted.provider, keyRef, ledger, actor: 'acme', random: seededRandom(1) });
    const wrapped = await keys.wrapKey({ dek: DEK, context: CONTEXT });
    await keys.unwrapKey({ wrapped, context: CONTEXT });
    await keys.unwrapKey({ wrapped, context: { ...CONTEXT, purpose: 'x' } }).catch(() => undefined);
    await keys.unwrapKey({ wrapped: { ...wrapped, type: 'other' }, context: CONTEXT });
    if (abilities.includes('rotate')) await keys.rotate?.();
    if (abilities.includes('rewrap')) await keys.rewrapKey?.({ wrapped, context: CONTEXT });
    if (abilities.includes('disable')) await keys.disableVersion?.('999').catch(() => undefined);
    const asked = (['rotate', 'rewrap', 'disable'] as const).filter((each) => abilities.includes(each));
    expect(counted.calls).toHaveLength(4 + asked.length);
    expect(entries.filter(({ type }) => type === 'key-use-intent')).toHaveLength(counted.calls.length);
    expect(entries.filter(({ type }) => type === 'key-use-outcome')).toHaveLength(counted.calls.length);
  });

  test('it has exactly the abilities that it is said to have', async () => {
    const { provider, breakService, outage } = await make();
    expect({
      rotate: provider.rotate !== undefined,
      rewrap: provider.rewrapKey !== undefined,
      disable: provider.disableVersion !== undefined,
      outage: breakService !== undefined,
      return: outage !== undefined,
    }).toEqual({
      rotate: abilities.includes('rotate'),
      rewrap: abilities.includes('rewrap'),
      disable: abilities.includes('disable'),
      outage: abilities.includes('outage'),
      return: abilities.includes('return'),
    });
  });
}
