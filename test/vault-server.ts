/** Vault's own transit engine and AppRole method (test/oracles/vault): built once by .ci/run, started for each test file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const PROGRAM = join(import.meta.dirname, 'oracles/vault/vault-server');

export const hasVault = existsSync(PROGRAM);
export const VAULT_NEEDED = 'go build -o vault-server . in test/oracles/vault';

export interface VaultServer {
  readonly url: string;
  /** Of the root. */
  readonly token: string;
  /** Of a role that may log in by AppRole, as the provider's file has it. */
  readonly roleFile: string;
  /** Makes a key of the engine at `transit/`. */
  addKey(name: string, members?: { readonly derived?: boolean; readonly type?: string }): Promise<void>;
  /** Ends it at once, as an outage does. */
  stop(): Promise<void>;
}

export async function startVault(): Promise<VaultServer> {
  const child = spawn(PROGRAM, [], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { url, token, role_id, secret_id } = JSON.parse(line) as Record<string, string>;
  return {
    url,
    token,
    roleFile: JSON.stringify({ role_id, secret_id }),
    addKey: async (name, { derived = true, type = 'aes256-gcm96' } = {}) => {
      const request = { method: 'POST', headers: { 'x-vault-token': token }, body: JSON.stringify({ type, derived }) };
      const { ok, status } = await fetch(`${url}/v1/transit/keys/${name}`, request);
      if (!ok) throw new Error(`internal error: Vault answers ${status} to a new key`);
    },
    stop: () => end(child),
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
