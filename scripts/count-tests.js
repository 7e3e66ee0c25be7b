/** Reads vitest's JSON reports; prints "N passed, N failed"; exits 1 when a test failed or was skipped. */
import { readFileSync } from 'node:fs';

const counts = { passed: 0, failed: 0 };
const skipped = [];
for (const file of process.argv.slice(2)) {
  for (const suite of JSON.parse(readFileSync(file, 'utf8')).testResults) {
    for (const test of suite.assertionResults) {
      if (test.status === 'passed') counts.passed += 1;
      else if (test.status === 'failed') counts.failed += 1;
      else skipped.push(test.fullName);
    }
  }
}
for (const name of skipped) process.stderr.write(`skipped: ${name}\n`);
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
if (counts.failed > 0 || skipped.length > 0 || counts.passed === 0) process.exit(1);
