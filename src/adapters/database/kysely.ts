/**
 * Kysely as CommonJS: its ES modules, some 260, take a fifth more time and a third more memory, in each thread that opens a database.
 * Whoever needs more than its types takes it from here: by its name a second copy would be loaded.
 */
import { createRequire } from 'node:module';

export const kysely = createRequire(import.meta.url)('kysely') as typeof import('kysely');
