import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openJournal } from './journal.ts';

const folder = mkdtempSync(join(tmpdir(), 'journal-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});
const clock = { nowMs: () => 0 };
const toConfig = (file: string) => ({ file, level: 'info', lines: 'all' }) as const;

function listen() {
  const said: string[] = [];
  const note = (line: string): void => void said.push(`note ${line}`);
  const warn = (line: string): void => void said.push(`warn ${line}`);
  return { said, telling: { ui: { note, warn }, clock } };
}

describe('the journal of a command', () => {
  test('without a configuration is in words: what is wrong must be seen, and nothing twice', () => {
    const { said, telling } = listen();
    const { journal } = openJournal(undefined, telling);
    journal.tell('trouble', { part: 'API keys', code: 'DATABASE_BUSY' });
    journal.tell('config-reloaded', { members: ['budgets', 'limits.batchMax'] });
    journal.tell('config-reloaded', { members: [] });
    journal.refuse('config-refused', Object.assign(new Error('a secret'), { code: 'ENOENT' }));
    journal.tell('listening', { listener: 'admin', host: '::1', port: 8444, isTls: true });
    journal.tell('tenant-unseen', { tenant: 'acmee', nearest: 'acme' });
    journal.tell('upstream-ready', { upstream: 'triton', model: 'net' });
    journal.tell('upstream-ready', { upstream: 'llm' });
    journal.tell('upstream-away', { upstream: 'llm' });
    for (const event of ['started', 'draining', 'ended', 'admin-refused'] as const) journal.tell(event, {});
    expect(said).toEqual([
      'warn API keys: DATABASE_BUSY',
      'note configuration taken up: budgets, limits.batchMax',
      'note configuration taken up: nothing has changed',
      'warn config-refused: ENOENT',
      'note admin API at https://[::1]:8444',
      'warn the budget of tenant acmee bounds nobody: no key, token or certificate is of it; did you mean acme?',
      'note upstream triton is ready for net',
      'note upstream llm is ready',
    ]);
  });

  test('in a file is behind what was there, for its user alone; trouble is told in words, too, requests are not', async () => {
    const path = join(folder, 'journal.jsonl');
    const { said, telling } = listen();
    for (const code of ['DATABASE_BUSY', 'DATABASE_DAMAGED']) {
      const { journal, close } = openJournal(toConfig(path), telling);
      journal.tell('trouble', { part: 'log', code });
      journal.tell('request', { status: 200, principal: 'key:k_1' });
      await close();
    }
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual([
      'trouble',
      'request',
      'trouble',
      'request',
    ]);
    expect(said).toEqual(['warn log: DATABASE_BUSY', 'warn log: DATABASE_DAMAGED']);
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('follows no link', () => {
    symlinkSync(join(folder, 'elsewhere'), join(folder, 'link'));
    expect(() => openJournal(toConfig(join(folder, 'link')), listen().telling)).toThrow(
      expect.objectContaining({ code: 'WRITE_FAILED' }),
    );
  });
});
