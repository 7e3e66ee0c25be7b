/** Tests that start our built code as another process: `npm test` builds before it runs, `npx vitest` does not. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describeWhere } from './shared-data.ts';

const dist = resolve(import.meta.dirname, '../dist');

/** `file:` URL of a built module, such as "adapters/runtime/index.js". */
export function builtUrl(module: string): string {
  return pathToFileURL(join(dist, module)).href;
}

/** `describe` that runs when the module is built, and else is skipped under a name that says so. */
export function describeWithBuilt(name: string, module: string, body: () => void): void {
  describeWhere(existsSync(join(dist, module)), name, 'npm run build', body);
}

/** Absolute path of a built module. */
export function builtPath(module: string): string {
  return join(dist, module);
}
