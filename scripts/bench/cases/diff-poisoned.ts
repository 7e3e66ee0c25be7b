/**
 * Trains clean and poisoned copies of the sample networks on draws of a set of their own, and prints, as JSON, of how many
 * `diff --eval` said "suspicious". Usage: diff-poisoned.ts SET NAME:COUNT…
 */
import type { ModelName } from '../../../src/lab/index.ts';
import { judgeDraw } from '../../../test/tamper/poison-verdict.ts';

const [set, ...wanted] = process.argv.slice(2);
/** Suspected and all, by what was done. */
const counts: Record<string, [number, number]> = {};

function add(done: string, said: string): void {
  const count = (counts[done] ??= [0, 0]);
  count[0] += Number(said === 'suspicious');
  count[1] += 1;
}

for (const part of wanted) {
  const [name, count] = part.split(':');
  for (let number = 0; number < Number(count); number++) {
    const { poisoned, ordinary, drifted } = await judgeDraw({ set, name: name as ModelName, number });
    for (const [kind, said] of poisoned) add(kind, said);
    for (const said of ordinary) add('ordinary', said);
    for (const said of drifted) add('drifted', said);
  }
}
console.log(JSON.stringify({ counts }));
