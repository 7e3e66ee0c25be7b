/** Somebody must be able to ask: the first API key goes to a file for its user alone, and no port is opened to a network without one. */
import { utf8 } from '../../../../core/bytes.ts';
import { GatewayError } from '../../../../core/errors.ts';
import { RATE_LIMITS } from '../../../../core/limits/api-keys.ts';
import { type GatewayConfig, isLoopback, toPrincipalLimits } from '../../../../gateway/index.ts';
import type { ApiKeyStore } from '../../../../gateway/ports.ts';
import { createApiKey, toApiKeyFile } from '../../../../workflows/gateway/api-keys.ts';
import type { Session } from '../../../../workflows/session.ts';
import { writeBytes } from '../../../../workflows/write-bytes.ts';
import type { CliContext } from '../../../context.ts';
import { openKeyTable } from '../../apikey/compose.ts';
import { readHasher } from '../../apikey/flags.ts';
import { chooseDatabases } from '../stores/database.ts';

export interface CallersOptions {
  readonly context: CliContext;
  readonly session: Session;
  readonly config: GatewayConfig;
  readonly flags: { readonly pepperFile?: string; readonly firstKey?: string };
}

const KEY_DAYS = 365;
const DAY_MS = 86_400_000;

/**
 * Makes the first key where `--first-key` asks for it and the table has none.
 * @throws GatewayError GATEWAY_NO_CALLERS beyond loopback, where nobody could ask; DatabaseError; SourceError WRITE_EXISTS
 */
export async function ensureCallers(options: CallersOptions): Promise<void> {
  const { context, config, flags } = options;
  const { identity, platform, database, listen } = config;
  const hasRules = platform !== undefined || identity.tokens.length + identity.certificates.length > 0;
  if (hasRules && flags.firstKey === undefined) return;
  const keys = await openKeyTable(context.services, (await chooseDatabases(context, database)).keys);
  try {
    if ((await keys.transact((table) => table.count())) > 0) return;
    if (flags.firstKey !== undefined) {
      await makeFirstKey(options, keys, context.toAbsolute(flags.firstKey));
      return;
    }
  } finally {
    await keys.close();
  }
  if (!isLoopback(listen.host)) throw new GatewayError('GATEWAY_NO_CALLERS', { fields: { host: listen.host } });
  context.ui.warn('nobody can ask yet: make a key with "modelward apikey create", or give --first-key FILE');
}

/** For every model of the configuration, and nothing else. */
async function makeFirstKey(options: CallersOptions, store: ApiKeyStore, path: string): Promise<void> {
  const { context, session, config, flags } = options;
  const { clock, random, storage } = context.services;
  const hasher = readHasher(context, { pepperFile: flags.pepperFile ?? config.identity.pepperFile });
  const names = new Set(
    [...config.models, ...config.upstreams.flatMap(({ models }) => models)].map(({ name }) => name),
  );
  const limits = {
    ...{ perMinute: RATE_LIMITS.defaultPerMinute, burst: RATE_LIMITS.defaultBurst },
    ...{ concurrency: RATE_LIMITS.defaultConcurrency, daily: null, lifetime: null, bodyBytesMax: null, batchMax: null },
  };
  const terms = {
    ...{ name: 'first key', tenant: 'default', networks: [], limits: toPrincipalLimits(limits) },
    scopes: [...names].flatMap((name) => [`infer:${name}`, `meta:${name}`]),
    output: { topK: null, decimals: null, isLabelOnly: false, hidden: [] },
    ...{ notBeforeMs: null, expiresMs: clock.nowMs() + KEY_DAYS * DAY_MS },
  };
  await createApiKey({ store, hasher, recorder: session.recorder, clock, random }, terms, (issued) => {
    const write = (file: string, bytes: Uint8Array): void => {
      writeBytes(storage, { path: file, mode: 0o600, bytes, replace: false });
    };
    write(path, toApiKeyFile(issued));
    write(`${path}.header`, toHeader(issued.apiKey));
  });
  context.ui.note(`the first API key is in ${path}, and as a header for curl -H @FILE in ${path}.header; mode 600`);
}

const toHeader = (apiKey: string): Uint8Array => utf8(`authorization: Bearer ${apiKey}\n`);
