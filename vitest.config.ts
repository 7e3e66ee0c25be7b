import { defineConfig } from 'vitest/config';

const long = process.env.MODELWARD_LONG === '1';

export default defineConfig({
  test: {
    include: long ? ['src/**/*.long.test.ts', 'test/**/*.long.test.ts'] : ['src/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: long ? ['node_modules/**'] : ['node_modules/**', '**/*.long.test.ts'],
    testTimeout: long ? 1_800_000 : 120_000,
    hookTimeout: long ? 1_800_000 : 120_000,
    setupFiles: ['test/typed-array-equality.ts', 'test/drawn-cases.ts'],
    pool: 'forks',
    // Vitest leaves one core free; most of these tests wait for a child process of theirs.
    maxWorkers: '100%',
    env: { ORT_DISABLE_TELEMETRY: '1', MODELWARD_MEMORY_WARNING: '0' },
  },
});
