/**
 * Changes real tensors in the ways of test/tamper/tamperings.ts and prints, as JSON, what was said against what was done.
 * Source, not built code: rightness is judged here, not speed. Usage: diff-classes.ts MODEL…
 */
import { countConfusion } from '../../../test/tamper/confusion.ts';

const { right, total, table, wrong } = countConfusion(process.argv.slice(2));
/** By what was done, what was said and how often. */
const rows = Object.fromEntries([...table].map(([done, said]) => [done, Object.fromEntries(said)]));
console.log(JSON.stringify({ right, total, table: rows, wrong }));
