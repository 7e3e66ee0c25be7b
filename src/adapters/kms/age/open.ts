/** Opens what an `age:` URI names: a recipient, which wraps only, or an identity file, which also unwraps. */
import { existsSync } from 'node:fs';
import type { OpenedProvider, OpenProviderOptions } from '../provider.ts';
import { openAgeKey } from './age.ts';
import { createAgeIdentity } from './identity.ts';

/** @throws SealError KEY_URI_INVALID | KEY_STORE_MISSING | KEY_STORE_UNSAFE | KEY_STORE_INVALID | KEY_STORE_UNWRITABLE */
export async function openProvider({ uri, ports, create }: OpenProviderOptions<'age'>): Promise<OpenedProvider> {
  const { clock, random } = ports;
  const isRecipient = uri.path.startsWith('age1');
  if (!isRecipient && create && !existsSync(uri.path)) createAgeIdentity({ path: uri.path, random, clock });
  const named = isRecipient ? { recipient: uri.path } : { identityPath: uri.path };
  const provider = openAgeKey({ ...named, random });
  const { keyRef, standing } = await provider.describe();
  return { provider, keyRef, standing };
}
