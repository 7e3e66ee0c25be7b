/** Opens what `local:PATH` names. */
import type { OpenProvider } from '../provider.ts';
import { ensureLocalKey, LOCAL_STANDING, openLocalKey, readLocalKeyId } from './local.ts';

/** @throws SealError as `openLocalKey`, and as `ensureLocalKey` with `create` */
export const openProvider: OpenProvider<'local'> = ({ uri: { path }, ports, create }) => {
  const access = { path, random: ports.random, clock: ports.clock };
  return new Promise((resolve) => {
    const provider = create ? ensureLocalKey(access) : openLocalKey(access);
    resolve({ provider, keyRef: readLocalKeyId(path), standing: LOCAL_STANDING });
  });
};
