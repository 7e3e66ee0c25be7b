/** The suite that every key provider passes: wrap, unwrap, binding, rotation, "not mine". */
import { expect, describe, test } from 'vitest';
import { toHex } from '../../src/core/bytes.ts';
import type { KeyContext, KeyUnwrapper, KeyWrapper, WrappedKey } from '../../src/seal/index.ts';
import { seededBytes } from '../fakes/seal-kit.ts';

/** One provider under test, with a key of its own. */
export interface ProviderUnderTest {
  readonly wrapper: KeyWrapper;
  readonly unwrapper: KeyUnwrapper;
  /** Makes a new key version that wraps from now on. */
  rotate(): Promise<void>;
  /** Destroys or disables a version. */
  retire(version: string): Promise<void>;
}

export interface KeyProviderSuite {
  readonly name: string;
  /** A fresh provider with a fresh key. */
  readonly make: () => Promise<ProviderUnderTest>;
}

const CONTEXT: KeyContext = { sealId: '0190b5a0-0000-7000-8000-000000000001', model: 'net', purpose: 'open' };
const DEK = seededBytes(42, 32);

/** Runs the shared contract over one provider. */
export function runKeyProviderSuite({ name, make }: KeyProviderSuite): void {
  describe(`key provider contract: ${name}`, () => {
    test('unwrap gives back what was wrapped, in a buffer of its own', async () => {
      const { wrapper, unwrapper } = await make();
      const wrapped = await wrapper.wrapKey({ dek: DEK, context: CONTEXT });
      const dek = await unwrapper.unwrapKey({ wrapped, context: CONTEXT });
      expect(toHex(dek ?? new Uint8Array())).toBe(toHex(DEK));
      expect(dek?.byteLength).toBe(dek?.buffer.byteLength);
    });

    test('the wrapped form hides the key and differs every time', async () => {
      const { wrapper } = await make();
      const first = await wrapper.wrapKey({ dek: DEK, context: CONTEXT });
      const second = await wrapper.wrapKey({ dek: DEK, context: CONTEXT });
      expect(toHex(first.wrapped)).not.toContain(toHex(DEK));
      expect(toHex(first.wrapped)).not.toBe(toHex(second.wrapped));
    });

    test.each(
      Object.keys(CONTEXT) as (keyof KeyContext)[],
    )('a changed %s in the context is refused', async (member) => {
      const { wrapper, unwrapper } = await make();
      const wrapped = await wrapper.wrapKey({ dek: DEK, context: CONTEXT });
      const context = { ...CONTEXT, [member]: `${CONTEXT[member]}x` };
      await expect(unwrapper.unwrapKey({ wrapped, context })).rejects.toMatchObject({ code: 'KEY_REFUSED' });
    });

    test('every flipped byte of the wrapped key, and every cut, is refused', async () => {
      const { wrapper, unwrapper } = await make();
      const key = await wrapper.wrapKey({ dek: DEK, context: CONTEXT });
      for (let at = 0; at < key.wrapped.length; at++) {
        const flipped = key.wrapped.slice();
        flipped[at] ^= 0x10;
        for (const wrapped of [flipped, key.wrapped.slice(0, at)]) {
          const request = { wrapped: { ...key, wrapped }, context: CONTEXT };
          await expect(unwrapper.unwrapKey(request)).rejects.toMatchObject({ code: 'KEY_REFUSED' });
        }
      }
    });

    test('a key of another type or another provider key is "not mine": null, not an error', async () => {
      const { wrapper, unwrapper } = await make();
      const mine = await wrapper.wrapKey({ dek: DEK, context: CONTEXT });
      const strangers: WrappedKey[] = [
        { ...mine, type: 'no-such-type' },
        { ...mine, keyRef: 'someone-else' },
        await (await make()).wrapper.wrapKey({ dek: DEK, context: CONTEXT }),
      ];
      for (const wrapped of strangers) expect(await unwrapper.unwrapKey({ wrapped, context: CONTEXT })).toBeNull();
    });

    test('after a rotation new keys carry the new version, and old ones still unwrap', async () => {
      const provider = await make();
      const before = await provider.wrapper.wrapKey({ dek: DEK, context: CONTEXT });
      await provider.rotate();
      const after = await provider.wrapper.wrapKey({ dek: DEK, context: CONTEXT });
      expect(after.keyVersion).not.toBe(before.keyVersion);
      expect(after.keyRef).toBe(before.keyRef);
      for (const wrapped of [before, after]) {
        const dek = await provider.unwrapper.unwrapKey({ wrapped, context: CONTEXT });
        expect(toHex(dek ?? new Uint8Array())).toBe(toHex(DEK));
      }
      const relabelled = { ...before, keyVersion: after.keyVersion };
      const request = { wrapped: relabelled, context: CONTEXT };
      await expect(provider.unwrapper.unwrapKey(request)).rejects.toMatchObject({ code: 'KEY_REFUSED' });
    });

    test('a retired version is gone, and says so', async () => {
      const provider = await make();
      const wrapped = await provider.wrapper.wrapKey({ dek: DEK, context: CONTEXT });
      await provider.rotate();
      await provider.retire(wrapped.keyVersion);
      const request = { wrapped, context: CONTEXT };
      await expect(provider.unwrapper.unwrapKey(request)).rejects.toMatchObject({ code: 'KEY_VERSION_GONE' });
    });

    test('no error carries the key', async () => {
      const { wrapper, unwrapper } = await make();
      const wrapped = await wrapper.wrapKey({ dek: DEK, context: CONTEXT });
      const context = { ...CONTEXT, model: 'other' };
      const error: unknown = await unwrapper.unwrapKey({ wrapped, context }).catch((reason: unknown) => reason);
      const text = JSON.stringify(error, Object.getOwnPropertyNames(error)) + String((error as Error).stack);
      expect(text).not.toContain(toHex(DEK));
      expect(text).not.toContain(Buffer.from(DEK).toString('base64'));
    });
  });
}
