/** What a long-lived process loads from its beginning stays in its memory: here is what gateways and their threads do without. */
import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const src = resolve(import.meta.dirname, '../src');
/** Type imports are erased; `import()` is for later. */
const STATIC = /^(?:import|export)\s+(?!type\b)(?:[^;'"]*?\sfrom\s*)?['"]([^'"]+)['"]/gm;

/** Files below src, and names of packages, that an entry loads before it runs. */
function listLoaded(entry: string): string[] {
  const loaded = new Set<string>();
  const packages = new Set<string>();
  const left = [join(src, entry)];
  for (let file = left.pop(); file !== undefined; file = left.pop()) {
    if (loaded.has(file)) continue;
    loaded.add(file);
    for (const [, name] of readFileSync(file, 'utf8').matchAll(STATIC)) {
      if (name.startsWith('.')) left.push(resolve(dirname(file), name));
      else packages.add(name);
    }
  }
  return [...[...loaded].map((file) => relative(src, file)), ...packages];
}

const isIn =
  (parts: readonly string[]) =>
  (name: string): boolean =>
    parts.some((part) => name === part || name.startsWith(`${part}/`));

describe('what is loaded at the beginning', () => {
  test('of a gateway: no reader of models, no runtime, no evidence, no broker', () => {
    const parts = [
      'formats',
      'fidelity',
      'attest',
      'broker',
      'surgery',
      'watermark',
      'tamper',
      'lab',
      'adapters/runtime',
    ];
    const packages = [
      'onnxruntime-web',
      'onnxruntime-node',
      'reflect-metadata',
      '@peculiar/x509',
      'jose',
      'yaml',
      'undici',
    ];
    for (const entry of ['cli/commands/serve/serve.ts', 'cli/gateway-worker/compose.ts']) {
      const loaded = listLoaded(entry);
      expect(loaded).toContain('workflows/gateway/serve/serve.ts');
      expect(loaded.filter(isIn([...parts, ...packages]))).toEqual([]);
    }
  });

  test('of the thread of its log: of the gateway the log alone, and no schemas', () => {
    const loaded = listLoaded('cli/log-writer/compose.ts');
    expect(loaded).toContain('gateway/log/writer.ts');
    expect(loaded.filter((name) => name.startsWith('gateway/') && !name.startsWith('gateway/log/'))).toEqual([]);
    expect(loaded.filter(isIn(['zod', 'undici', 'yaml', 'formats', 'workflows']))).toEqual([]);
  });

  test('of the threads that read large bodies: neither the log nor the configuration', () => {
    const loaded = listLoaded('cli/decode-worker/compose.ts');
    expect(loaded).toContain('gateway/targets/body-reader.ts');
    expect(loaded.filter(isIn(['zod', 'kysely', 'gateway/log', 'gateway/config', 'gateway/identity']))).toEqual([]);
  });
});
