/** The `age:` provider: wrapped keys are armored age files, which `age -d` opens. */
export { openProvider } from './open.ts';
