/** Opens what `gcp-kms:…` names. */
import type { OpenProvider } from '../provider.ts';
import { openKeyService } from '../service.ts';
import { createGcpClient } from './client.ts';
import { createGcpTokens } from './credentials.ts';
import { createGcpKms } from './gcp-kms.ts';

const ORIGIN = 'https://cloudkms.googleapis.com';

/** Nothing is asked of the service before the key is used. */
export const openProvider: OpenProvider<'gcp-kms'> = ({ uri: { key, endpoint, credentialsPath }, ports }) => {
  const service = openKeyService({ origin: endpoint ?? ORIGIN });
  const client = createGcpClient({ service, tokens: createGcpTokens({ ports, path: credentialsPath }) });
  return Promise.resolve({ provider: createGcpKms({ client, key, pause: ports.pause }), keyRef: key, standing: null });
};
