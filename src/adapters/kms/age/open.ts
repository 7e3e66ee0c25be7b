/** Opens what an `age:` URI names: a recipient, which wraps only, or an identity file, which also unwraps. */
import { existsSync } from 'node:fs';
import type { KeyProvider } from '../../../seal/ports.ts';
import type { OpenedProvider, OpenProviderOptions, ProviderPorts } from '../provider.ts';
import { openAgeKey } from './age.ts';
import { createAgeIdentity } from './identity.ts';

/** @throws SealError KEY_URI_INVALID | KEY_STORE_MISSING | KEY_STORE_UNSAFE | KEY_STORE_INVALID | KEY_STORE_UNWRITABLE */
export async function openProvider({ uri, ports, create }: OpenProviderOptions<'age'>): Promise<OpenedProvider> {
  const provider = 'path' in uri ? openIdentity(uri.path, ports, create) : openAgeKey({ ...uri, random: ports.random });
  const { keyRef, standing } = await provider.describe();
  return { provider, keyRef, standing };
}

function openIdentity(path: string, { clock, random }: ProviderPorts, create: boolean): KeyProvider {
  if (create && !existsSync(path)) createAgeIdentity({ path, random, clock });
  return openAgeKey({ identityPath: path, random });
}
