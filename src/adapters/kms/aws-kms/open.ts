/** Opens what `aws-kms:…` names. */
import type { OpenProvider } from '../provider.ts';
import { openKeyService } from '../service.ts';
import { createAwsKms } from './aws-kms.ts';
import { createAwsClient } from './client.ts';
import { createAwsCredentials } from './credentials.ts';
import { toDnsSuffix } from './sts.ts';

/** Nothing is asked of the service before the key is used. */
export const openProvider: OpenProvider<'aws-kms'> = ({ uri, ports }) => {
  const { key, also, region, endpoint, profile } = uri;
  const client = createAwsClient({
    service: openKeyService({ origin: endpoint ?? `https://kms.${region}.${toDnsSuffix(region)}` }),
    region,
    clock: ports.clock,
    credentials: createAwsCredentials({ ports, profile, region }),
  });
  const provider = createAwsKms({ client, key, also, pause: ports.pause });
  return Promise.resolve({ provider, keyRef: key, standing: null });
};
