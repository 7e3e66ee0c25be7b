/**
 * Edits every runnable model of the ONNX backend suite in ways that must not change what it computes, and prints as JSON
 * how many run, and for each kind of edit the models that gave something else, with the reason.
 * Source, not built code: rightness is judged here, not speed. Usage: surgery-same.ts SUITE.tar.gz
 */
import { openNodeRuntime } from '../../../src/adapters/runtime/index.ts';
import { toRng } from '../../../test/formats/random.ts';
import { hasManyNodes, readCorpus } from '../../../test/surgery/corpus.ts';
import { findDifference, findRunnable, METAMORPHOSES, type RunnableCase } from '../../../test/surgery/metamorphic.ts';
import { findCutDifference } from '../../../test/surgery/recompose.ts';

interface Outcome {
  readonly edit: string;
  readonly models: number;
  readonly different: readonly (readonly [model: string, reason: string])[];
}

const runtime = await openNodeRuntime();

async function listDifferent(
  edit: string,
  cases: readonly RunnableCase[],
  find: (of: RunnableCase, at: number) => Promise<string | undefined>,
): Promise<Outcome> {
  const different: (readonly [string, string])[] = [];
  for (const [at, of] of cases.entries()) {
    const reason = await find(of, at);
    if (reason !== undefined) different.push([of.name, reason]);
  }
  return { edit, models: cases.length, different };
}

const runnable: RunnableCase[] = [];
const large = new Set<string>();
for (const of of readCorpus(process.argv[2])) {
  const found = await findRunnable(runtime, of);
  if (found === null) continue;
  runnable.push(found);
  if (hasManyNodes(of)) large.add(found.name);
}
const edits: Outcome[] = [];
for (const [edit, act] of Object.entries(METAMORPHOSES)) {
  edits.push(await listDifferent(edit, runnable, (of) => findDifference(runtime, of, act)));
}
const many = runnable.filter(({ name }) => large.has(name));
edits.push(await listDifferent('cut in two and merge', many, (of, at) => findCutDifference(runtime, of, toRng(at))));
console.log(JSON.stringify({ edits }));
