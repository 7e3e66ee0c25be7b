/** A key service in memory that really wraps, binds the context, and can rotate, retire and be out of reach. */
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import { toCanonicalJsonBytes } from '../../src/core/canonical-json.ts';
import { SealError } from '../../src/core/errors.ts';
import type { KeyContext, KeyProvider, KeyUnwrapper, KeyWrapper } from '../../src/seal/index.ts';

export interface FakeProvider {
  /** The same as {@link wrapper} and {@link unwrapper}, with the rest of a provider. */
  readonly provider: KeyProvider;
  readonly wrapper: KeyWrapper;
  readonly unwrapper: KeyUnwrapper;
  /** Makes a new key version that wraps from now on. */
  rotate(): Promise<void>;
  /** Destroys a version. */
  retire(version: string): Promise<void>;
  /** While true, every call fails as if the service could not be reached. */
  outage: boolean;
}

function toAad(context: KeyContext, version: string): Uint8Array {
  return toCanonicalJsonBytes({ ...context, version });
}

export function fakeProvider(): FakeProvider {
  const keyRef = randomUUID();
  const keks = new Map([['1', randomBytes(32)]]);
  let current = 1;
  const provider: FakeProvider = {
    outage: false,
    provider: {
      wrapKey: (request) => provider.wrapper.wrapKey(request),
      unwrapKey: (request) => provider.unwrapper.unwrapKey(request),
      describe: () => {
        if (provider.outage) return Promise.reject(new SealError('KEY_PROVIDER_UNAVAILABLE'));
        const versions = [...keks.keys()].map((version) => {
          return { version, createdAt: null, state: 'enabled' as const };
        });
        return Promise.resolve({ type: 'fake', keyRef, currentVersion: String(current), versions, standing: null });
      },
    },
    wrapper: {
      wrapKey: ({ dek, context }) => {
        if (provider.outage) return Promise.reject(new SealError('KEY_PROVIDER_UNAVAILABLE'));
        const keyVersion = String(current);
        const iv = randomBytes(12);
        const cipher = createCipheriv('aes-256-gcm', keks.get(keyVersion)!, iv).setAAD(toAad(context, keyVersion));
        const wrapped = Buffer.concat([iv, cipher.update(dek), cipher.final(), cipher.getAuthTag()]);
        return Promise.resolve({ type: 'fake', keyRef, keyVersion, wrapped: new Uint8Array(wrapped) });
      },
    },
    unwrapper: {
      unwrapKey: ({ wrapped: key, context }) => {
        if (key.type !== 'fake' || key.keyRef !== keyRef) return Promise.resolve(null);
        if (provider.outage) return Promise.reject(new SealError('KEY_PROVIDER_UNAVAILABLE'));
        const kek = keks.get(key.keyVersion);
        if (kek === undefined) return Promise.reject(new SealError('KEY_VERSION_GONE'));
        try {
          const decipher = createDecipheriv('aes-256-gcm', kek, key.wrapped.subarray(0, 12), { authTagLength: 16 });
          decipher.setAAD(toAad(context, key.keyVersion)).setAuthTag(key.wrapped.subarray(-16));
          return Promise.resolve(
            Uint8Array.from(Buffer.concat([decipher.update(key.wrapped.subarray(12, -16)), decipher.final()])),
          );
        } catch {
          return Promise.reject(new SealError('KEY_REFUSED'));
        }
      },
    },
    rotate: () => {
      current++;
      keks.set(String(current), randomBytes(32));
      return Promise.resolve();
    },
    retire: (version) => {
      keks.delete(version);
      return Promise.resolve();
    },
  };
  return provider;
}
