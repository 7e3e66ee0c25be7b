/** Runs test files and prints how many tests there are and how many passed: { passed, total }. Usage: run-tests.js ROOT FILE… */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Rows may run more cases than `npm test` does. */
const TEST_MS_MAX = 1_800_000;

const [root, ...files] = process.argv.slice(2);
const vitest = join(root, 'node_modules/vitest/vitest.mjs');
const args = [vitest, 'run', '--root', root, '--reporter=json', `--testTimeout=${TEST_MS_MAX}`, ...files];
const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 2 ** 28 });
const report = stdout.split('\n').find((line) => line.startsWith('{'));
if (report === undefined) throw new Error(`no report: ${stderr.slice(-500)}`);
const { numPassedTests, numTotalTests } = JSON.parse(report);
process.stdout.write(`${JSON.stringify({ passed: numPassedTests, total: numTotalTests })}\n`);
