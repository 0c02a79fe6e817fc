import { defineConfig } from 'vitest/config';

/** Where CI wants the counts of this run; see .ci/run. */
const resultsFile = process.env['NETYARD_RESULTS'];
/** Milliseconds each fuzz target runs on top of what a test may take. */
const fuzzMs = Number(process.env['FUZZ_MS'] ?? 0);

/**
 * Tests that look at the whole process or change it: its descriptors, signals, environment, native layer. Each file has
 * one of its own.
 */
const PROCESS_WIDE = [
  'src/{node,monitor,cli}/**/*.test.ts',
  'tests/unit/{native-netdev-compliance,host-compliance,netdevs-on-node}.test.ts',
  'tests/lint/*.test.ts',
  'fuzz/addon.test.ts',
];
const testTimeout = 20_000 + 2 * fuzzMs;

const sources = (file: string): string => new URL(`src/${file}`, import.meta.url).pathname;

/** What the examples import is the package as built; here it is the sources. */
const alias = { 'netyard/qmp': sources('node/qmp.ts'), netyard: sources('index.ts') };

export default defineConfig({
  test: {
    // All cores: the default leaves one idle, which on two is half of them.
    maxWorkers: '100%',
    reporters: resultsFile === undefined ? ['default'] : ['default', ['json', { outputFile: resultsFile }]],
    projects: [
      {
        resolve: { alias },
        test: {
          name: 'unit',
          include: [
            'src/**/*.test.ts',
            'tests/unit/**/*.test.ts',
            'tests/kit/**/*.test.ts',
            'fuzz/**/*.test.ts',
            'examples/**/*.test.ts',
          ],
          exclude: PROCESS_WIDE,
          // What they import is loaded once for many files: half of the processor's time otherwise.
          isolate: false,
          testTimeout,
        },
      },
      {
        resolve: { alias },
        test: { name: 'process', include: PROCESS_WIDE, testTimeout },
      },
      {
        // The netdev suites once more in a worker thread, where a yard must live as well.
        test: {
          name: 'worker',
          pool: 'threads',
          include: [
            'tests/worker/**/*.test.ts',
            'tests/unit/*compliance.test.ts',
            'tests/unit/netdevs-on-node.test.ts',
          ],
        },
      },
      {
        test: {
          name: 'peers',
          include: ['tests/peers/**/*.test.ts'],
          testTimeout: 240_000,
          hookTimeout: 240_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'package',
          include: ['tests/package/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 240_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
