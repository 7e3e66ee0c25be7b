/** Opens what `vault:…` names. */
import { SealError } from '../../../core/errors.ts';
import type { OpenProvider } from '../provider.ts';
import { openKeyService } from '../service.ts';
import { createVaultClient } from './client.ts';
import { createVaultTokens } from './token.ts';
import { createVault, toVaultKeyRef } from './vault.ts';

/** Nothing is asked of the service before the key is used. @throws SealError KEY_CREDENTIALS_MISSING without the CA file */
export const openProvider: OpenProvider<'vault'> = async ({ uri, ports }) => {
  await Promise.resolve();
  const { addr, namespace, caPath } = uri;
  const caPem = caPath === null ? null : ports.files.findPublic(caPath);
  if (caPath !== null && caPem === null) {
    throw new SealError('KEY_CREDENTIALS_MISSING', { fields: { service: 'vault', part: 'ca-file' } });
  }
  const service = openKeyService({ origin: addr, caPem });
  // Agents of Vault answer only requests with this header, which no web page can send.
  const headers = { 'x-vault-request': 'true', ...(namespace === null ? {} : { 'x-vault-namespace': namespace }) };
  const tokens = createVaultTokens({ ports, uri, service, headers });
  const provider = createVault({ ...uri, client: createVaultClient({ service, tokens, headers }) });
  return { provider, keyRef: toVaultKeyRef(uri), standing: null };
};
