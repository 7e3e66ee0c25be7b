/** `npm run docs:check [-- --write]`: generated documents match the code, and what documents name exists. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { toOpenApiText } from '../src/gateway/admin/index.ts';
import { loadCommandSpecs, toCliDoc } from './docs/cli-doc.ts';
import { checkErrorTables, loadErrorAreas, toErrorsDoc } from './docs/errors-doc.ts';
import { checkFeatureRows, loadBenchIds, loadLabIds, readFeatureRows, toFeaturesDoc } from './docs/features.ts';
import { checkGenerated, type GeneratedDoc, writeGenerated } from './docs/generated.ts';
import { checkLinks } from './docs/links.ts';
import { checkExports } from './docs/package-exports.ts';
import type { Problem } from './docs/problem.ts';
import { checkReadme } from './docs/readme.ts';
import { checkSpecs } from './docs/specs.ts';
import { findPromises, findRegistryHosts } from './docs/words.ts';

const PROGRAM = 'modelward';

/** The documents that are made from code. */
async function toGeneratedDocs(root: string): Promise<GeneratedDoc[]> {
  const specs = await loadCommandSpecs(root);
  return [
    toErrorsDoc(await loadErrorAreas(root)),
    ...(specs === undefined ? [] : [toCliDoc(PROGRAM, specs)]),
    toFeaturesDoc(readFeatureRows(root)),
    { file: 'docs/openapi/admin.json', text: toOpenApiText() },
  ];
}

/** Everything that is wrong with the documents of the repository at `root`. */
export async function checkDocs(root: string): Promise<Problem[]> {
  const files = listFiles(root);
  const read = (file: string): { file: string; text: string } => ({
    file,
    text: readFileSync(join(root, file), 'utf8'),
  });
  const docs = await toGeneratedDocs(root);
  const evidence = { root, benchIds: await loadBenchIds(root), labIds: loadLabIds(root) };
  const promising = ['README.md', 'docs/cli.md', 'package.json'].filter((file) => existsSync(join(root, file)));
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    exports: Record<string, string>;
  };
  return [
    ...docs.flatMap((doc) => checkGenerated(root, doc)),
    ...checkErrorTables(await loadErrorAreas(root)),
    ...checkFeatureRows(readFeatureRows(root), evidence),
    ...checkReadme(root),
    ...checkExports(root, exports),
    ...checkSpecs(root, files.filter((file) => /^src\/.*(?<!\.test)\.ts$/.test(file)).map(read)),
    ...files.filter((file) => file.endsWith('.md')).flatMap((file) => checkLinks(root, file)),
    ...promising.map(read).flatMap(({ file, text }) => findPromises(file, text)),
    ...docs.flatMap((doc) => findPromises(doc.file, doc.file === 'docs/cli.md' ? doc.text : '')),
    ...files
      .filter((file) => /\.(md|json|ts|js|sh|yml|yaml)$|(^|\/)\.npmrc$|^\.ci\//.test(file))
      .map(read)
      .flatMap(({ file, text }) => findRegistryHosts(file, text)),
  ];
}

const NOT_OURS = new Set(['node_modules', 'dist', 'coverage', 'fixtures']);

/** Files of the checkout without what is installed, built or hidden; works without git. */
function listFiles(root: string, folder = ''): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (!entry.isDirectory()) return entry.isFile() ? [path] : [];
    const isHidden = entry.name.startsWith('.') && entry.name !== '.ci';
    return isHidden || NOT_OURS.has(entry.name) ? [] : listFiles(root, path);
  });
}

async function main(): Promise<void> {
  const root = resolve(import.meta.dirname, '..');
  if (process.argv.includes('--write')) {
    for (const doc of await toGeneratedDocs(root)) writeGenerated(root, doc);
  }
  const problems = await checkDocs(root);
  for (const { file, text } of problems) console.error(`${file}: ${text}`);
  console.log(problems.length === 0 ? 'documents: nothing found' : `documents: ${problems.length} problems`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}

if (resolve(process.argv[1]) === import.meta.filename) await main();
