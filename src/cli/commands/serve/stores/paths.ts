/** Paths of stores. */
import type { DatabaseConfig, RateStoreConfig } from '../../../../gateway/index.ts';

/** @param at makes a path absolute */
export function toAbsoluteStore(store: RateStoreConfig, at: (path: string) => string): RateStoreConfig {
  if (store.kind === 'memory') return store;
  const { passwordFile, authority } = store;
  return {
    ...store,
    ...(passwordFile !== undefined && { passwordFile: at(passwordFile) }),
    ...(authority !== undefined && { authority: at(authority) }),
  };
}

/** Of `sqlite:FILE` the file; paths within other addresses are absolute, as the servers' own programs have it. */
export function toAbsoluteDatabase(database: DatabaseConfig, at: (path: string) => string): DatabaseConfig {
  if (database === undefined) return undefined;
  if ('file' in database) return { file: at(database.file) };
  const file = /^sqlite:(.+)$/.exec(database.url)?.[1];
  return file === undefined ? database : { url: `sqlite:${at(file)}` };
}
