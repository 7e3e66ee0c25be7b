/**
 * Changes real tensors in the ways of test/tamper/tamperings.ts, prints what was said against what was done, and counts.
 * Source, not built code: rightness is judged here, not speed. Usage: diff-classes.ts MODEL…
 */
import { countConfusion } from '../../../test/tamper/confusion.ts';

const { right, total, table, wrong } = countConfusion(process.argv.slice(2));
for (const [done, said] of table) {
  console.error(`${done}: ${[...said].map(([kind, count]) => `${kind} ${count}`).join(', ')}`);
}
for (const line of wrong) console.error(`  wrong: ${line}`);
console.log(JSON.stringify({ right, total }));
