/** Where tests find the real models, data sets and vectors; a suite that needs them is skipped by name without them. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'vitest';

const root = resolve(import.meta.dirname, '../../shared/data');

/** Absolute path of a file or folder of the shared data. */
export function sharedData(...parts: readonly string[]): string {
  return join(root, ...parts);
}

export const hasSharedData = existsSync(root);

/** `describe` that runs when what it needs is there, and else is skipped under a name that says what is missing. */
export function describeWhere(isThere: boolean, name: string, needed: string, body: () => void): void {
  if (isThere) describe(name, body);
  // The body would read and start what is missing while tests are collected, skipped or not.
  else {
    describe.skip(`${name} [needs ${needed}]`, () => {
      test('all of it', () => undefined);
    });
  }
}

/** `describe` that runs when the shared data is there. */
export function describeWithShared(name: string, body: () => void): void {
  describeWhere(hasSharedData, name, '../shared/data', body);
}

/** True when `command --version` (or the given arguments) can be run. */
export function hasProgram(command: string, args: readonly string[] = ['--version']): boolean {
  try {
    execFileSync(command, [...args], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** `describe` that runs when another program is installed. */
export function describeWithProgram(name: string, program: string, args: readonly string[], body: () => void): void {
  describeWhere(hasProgram(program, args), name, program, body);
}
