/** Time and chance from the machine that runs us, and what it may do with our memory. */
export { systemClock } from './clock.ts';
export { type Exposure, findExposures, type ReadText, readSystemText } from './exposure.ts';
export { keepYoungSmall } from './heap.ts';
export { systemPause } from './pause.ts';
export { giveWay } from './priority.ts';
export { systemRandom } from './random.ts';
export { systemTicksUs } from './ticks.ts';
