/** Runs the judge of test/oracles/go: Go's own note and tlog packages, from Debian's golang-golang-x-mod-dev. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeWhere, hasProgram } from './shared-data.ts';

const gopath = '/usr/share/gocode';
const source = join(import.meta.dirname, 'oracles/go/main.go');

/** One question to the judge; the fields are those of main.go. */
export type JudgeCase = Readonly<Record<string, string | number | readonly string[]>>;

/** Compiles the judge, asks it, and returns one answer a case: "ok" or "error: …". */
export function askGoJudge(cases: readonly JudgeCase[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'go-judge-'));
  const program = join(folder, 'judge');
  try {
    const env = { ...process.env, GOPATH: gopath, GO111MODULE: 'off', GOFLAGS: '', GOPROXY: 'off', CGO_ENABLED: '0' };
    execFileSync('go', ['build', '-o', program, source], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    const answers: string[] = [];
    // In slices, so that neither side holds hundreds of megabytes of text.
    for (let at = 0; at < cases.length; at += 20_000) {
      const input = cases
        .slice(at, at + 20_000)
        .map((row) => JSON.stringify(row))
        .join('\n');
      const output = execFileSync(program, { input, maxBuffer: 1 << 28, encoding: 'utf8' });
      answers.push(...output.trimEnd().split('\n'));
    }
    return answers;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** `describe` that runs when Go and its packages are installed, and else is skipped under a name that says so. */
export function describeWithGoJudge(name: string, body: () => void): void {
  const isThere = hasProgram('go', ['version']) && existsSync(join(gopath, 'src/golang.org/x/mod/sumdb/note'));
  describeWhere(isThere, name, 'go and golang-golang-x-mod-dev', body);
}
