import { defineConfig } from 'vitest/config';

const long = process.env.MODELWARD_LONG === '1';

export default defineConfig({
  test: {
    include: long ? ['src/**/*.long.test.ts', 'test/**/*.long.test.ts'] : ['src/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: long ? ['node_modules/**'] : ['node_modules/**', '**/*.long.test.ts'],
    // As long as a loaded machine may take: what goes well ends long before.
    testTimeout: long ? 1_800_000 : 300_000,
    hookTimeout: long ? 1_800_000 : 300_000,
    expect: { poll: { timeout: 60_000, interval: 10 } },
    setupFiles: ['test/typed-array-equality.ts', 'test/drawn-cases.ts'],
    pool: 'forks',
    // Vitest leaves one core free; most of these tests wait for a child process of theirs.
    maxWorkers: '100%',
    env: { ORT_DISABLE_TELEMETRY: '1', MODELWARD_MEMORY_WARNING: '0' },
  },
});
