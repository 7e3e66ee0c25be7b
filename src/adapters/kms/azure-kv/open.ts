/** Opens what `azure-kv:…` names. */
import type { OpenProvider } from '../provider.ts';
import { openKeyService } from '../service.ts';
import { createAzureKv, toAzureKeyRef } from './azure-kv.ts';
import { createAzureClient } from './client.ts';
import { createAzureTokens } from './credentials.ts';

/** Nothing is asked of the service before the key is used. */
export const openProvider: OpenProvider<'azure-kv'> = ({ uri, ports }) => {
  const { vault, key, credentialsPath, login } = uri;
  const tokens = createAzureTokens({ ports, vault, path: credentialsPath, login });
  const client = createAzureClient({ service: openKeyService({ origin: vault }), tokens });
  const provider = createAzureKv({ client, vault, key, random: ports.random });
  return Promise.resolve({ provider, keyRef: toAzureKeyRef(uri), standing: null });
};
