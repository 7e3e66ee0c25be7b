/** Opens what a `tpm2:` URI names. */
import { existsSync } from 'node:fs';
import type { OpenedProvider, OpenProviderOptions } from '../provider.ts';
import { createTpmKey, openTpmKey, readTpmKeyId, TPM_STANDING } from './tpm2.ts';

/** Secure Boot: whether it is on, its keys, and what they let start. Firmware and kernel updates leave it alone. */
const PCRS_DEFAULT = [7] as const;

/** @throws SealError as `openTpmKey`, and as `createTpmKey` with `create` */
export async function openProvider({ uri, ports, create }: OpenProviderOptions<'tpm2'>): Promise<OpenedProvider> {
  const { path } = uri;
  const { random, clock, pause } = ports;
  const options = { path, random, clock, pause, openTpm: () => ports.openTpm(uri.device) };
  const isNew = create && !existsSync(path);
  const provider = isNew ? await createTpmKey(options, { pcrs: uri.pcrs ?? PCRS_DEFAULT }) : openTpmKey(options);
  return { provider, keyRef: readTpmKeyId(path), standing: TPM_STANDING };
}
