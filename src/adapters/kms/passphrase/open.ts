/** Opens what `passphrase:PATH` names. */
import { existsSync } from 'node:fs';
import type { OpenedProvider, OpenProviderOptions } from '../provider.ts';
import { createPassphraseKey, openPassphraseKey, PASSPHRASE_STANDING, readPassphraseKeyId } from './passphrase.ts';

/** @throws SealError as `openPassphraseKey`, and as `createPassphraseKey` with `create` */
export async function openProvider({ uri, ports, create }: OpenProviderOptions<'passphrase'>): Promise<OpenedProvider> {
  const { path } = uri;
  const { random, clock, askPassphrase } = ports;
  const options = { path, random, clock, askPassphrase };
  const provider = create && !existsSync(path) ? await createPassphraseKey(options) : openPassphraseKey(options);
  return { provider, keyRef: readPassphraseKeyId(path), standing: PASSPHRASE_STANDING };
}
