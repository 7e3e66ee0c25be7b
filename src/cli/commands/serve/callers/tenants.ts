/** Budgets of tenants whom nobody belongs to: told, since a name that was misspelled bounds nobody. */
import { API_KEY_LIMITS } from '../../../../core/limits/api-keys.ts';
import { findUnseenTenants, type GatewayConfig, type Journal } from '../../../../gateway/index.ts';
import type { ApiKeyStore } from '../../../../gateway/ports.ts';
import type { CliContext } from '../../../context.ts';
import { openKeyTable } from '../../apikey/compose.ts';
import { chooseDatabases } from '../stores/database.ts';

/** Once for all processes, for a configuration that was read. Never rejects: a table that is away says so elsewhere. */
export async function tellUnseenTenants(context: CliContext, config: GatewayConfig, journal: Journal): Promise<void> {
  if (Object.keys(config.tenants).length === 0) return;
  try {
    const keys = await openKeyTable(context.services, (await chooseDatabases(context, config.database)).keys);
    try {
      for (const { name: tenant, nearest } of findUnseenTenants(config, await listTenants(keys))) {
        journal.tell('tenant-unseen', { tenant, nearest });
      }
    } finally {
      await keys.close();
    }
  } catch {
    // Nothing is known of the table then.
  }
}

/** Of all keys that were not revoked. */
async function listTenants(keys: Pick<ApiKeyStore, 'list'>): Promise<ReadonlySet<string>> {
  const tenants = new Set<string>();
  const count = API_KEY_LIMITS.pageMax;
  for (let afterId = ''; ; ) {
    const page = await keys.list({ afterId, count });
    for (const { tenant, revokedMs } of page) if (revokedMs === null) tenants.add(tenant);
    if (page.length < count) return tenants;
    afterId = page[page.length - 1].id;
  }
}
