/**
 * The cases that properties draw are the same in each run, so that a red test says something of the change and not of the draw.
 * `MODELWARD_SEED=random npm test` draws others; a number draws those of that number again.
 */
import fc from 'fast-check';

const asked = process.env.MODELWARD_SEED ?? '20261121';

if (asked !== 'random') fc.configureGlobal({ seed: Number.parseInt(asked, 10) });
