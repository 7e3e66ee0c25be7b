/** What answers are held against, and what of them a caller sees. */
export * from './caps.ts';
export * from './policy.ts';
