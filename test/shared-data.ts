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

/** `describe` that runs when the shared data is there, and else is skipped under a name that says so. */
export function describeWithShared(name: string, body: () => void): void {
  if (hasSharedData) describe(name, body);
  // The body would read the data while tests are collected, skipped or not.
  else {
    describe.skip(`${name} [needs ../shared/data]`, () => {
      test('all of it', () => undefined);
    });
  }
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

/** `describe` that runs when another program is installed, and else is skipped under a name that says so. */
export function describeWithProgram(name: string, program: string, args: readonly string[], body: () => void): void {
  if (hasProgram(program, args)) describe(name, body);
  else describe.skip(`${name} [needs ${program}]`, body);
}
