/** Entry of the thread that asks object stores; the store starts the built file. */
import { homedir } from 'node:os';
import { createAwsCredentials } from '../../adapters/kms/aws-kms/credentials.ts';
import { findProfile } from '../../adapters/kms/aws-kms/ini.ts';
import { createGcpTokens } from '../../adapters/kms/gcp-kms/credentials.ts';
import { openProviderFiles } from '../../adapters/kms/provider-files.ts';
import {
  connectObjects,
  type ObjectCredentials,
  serveObjects,
  toAwsConfigPath,
} from '../../adapters/object-store/index.ts';
import { systemClock, systemPause, systemRandom } from '../../adapters/system/index.ts';

const STORAGE_SCOPE = 'https://www.googleapis.com/auth/devstorage.read_write';

const ports = { clock: systemClock, env: process.env, files: openProviderFiles(homedir()) };

const credentials: ObjectCredentials = {
  aws: (at) => createAwsCredentials({ ports, ...at }).get,
  awsRegion: (profile) => {
    const name = profile ?? process.env.AWS_PROFILE ?? 'default';
    const bytes = ports.files.findPublic(toAwsConfigPath(process.env, homedir()));
    if (bytes === null) return null;
    const values = findProfile(new TextDecoder().decode(bytes), name === 'default' ? name : `profile ${name}`);
    return values?.region ?? null;
  },
  google: () => {
    const tokens = createGcpTokens({ ports, path: null, scope: STORAGE_SCOPE });
    return () => tokens.get();
  },
};

serveObjects((address) =>
  connectObjects(address, {
    clock: systemClock,
    random: systemRandom,
    pause: systemPause,
    env: process.env,
    credentials,
  }),
);
