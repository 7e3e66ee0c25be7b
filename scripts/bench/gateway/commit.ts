/** Another commit of this repository, built beside: with today's packages, in a folder of its own. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './place.ts';

export interface Built {
  /** Short name, and the subject of the commit. */
  readonly name: string;
  readonly root: string;
}

const ARCHIVE_BYTES_MAX = 1 << 30;

function git(...words: readonly string[]): Buffer {
  const { status, stdout, stderr } = spawnSync('git', words, { cwd: root, maxBuffer: ARCHIVE_BYTES_MAX });
  if (status !== 0) throw new Error(`git ${words[0]} ended with ${status}: ${stderr.toString().trim()}`);
  return stdout;
}

const tell = (...words: readonly string[]): string =>
  git(...words)
    .toString()
    .trim();

/** What is built here: the last commit, and whether something was changed since then. */
export const nameHead = (): string =>
  `${tell('describe', '--always', '--dirty=, changed')} ${tell('log', '-1', '--format=%s')}`;

/**
 * @param wanted anything that git takes for a commit
 * @param folder an empty place for it
 * @throws Error when there is no such commit, or it cannot be built
 */
export function buildCommit(wanted: string, folder: string): Built {
  const commit = tell('rev-parse', '--verify', '--end-of-options', `${wanted}^{commit}`);
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['-x', '-C', folder], {
    input: git('archive', commit, 'bin', 'src', 'package.json', 'tsconfig.json', 'tsconfig.build.json'),
  });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const built = spawnSync(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'],
    { cwd: folder },
  );
  if (built.status !== 0) throw new Error(`${wanted} cannot be built: ${built.stdout.toString().slice(0, 500)}`);
  return { name: tell('log', '-1', '--format=%h %s', commit), root: folder };
}

/** What differs between the packages that the commit was made for and those that it runs with here; null where nothing does. */
export function findOtherPackages(wanted: string): string | null {
  const changed = tell('diff', '--name-only', wanted, '--', 'package-lock.json');
  return changed === '' ? null : 'its packages were others: both run with those that are installed now';
}
