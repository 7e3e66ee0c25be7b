/** Time and chance from the machine that runs us. */
export { systemClock } from './clock.ts';
export { systemPause } from './pause.ts';
export { systemRandom } from './random.ts';
