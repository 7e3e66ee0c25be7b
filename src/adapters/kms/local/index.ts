/** The `local:` provider: a key file on this machine. */
export { openProvider } from './open.ts';
