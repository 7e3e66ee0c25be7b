/** The mark of answers: a service answers a keyed few of its queries otherwise, and finds them in what was trained on its answers. */
export * from './choose.ts';
export * from './evidence.ts';
