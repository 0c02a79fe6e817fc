/** The addon with arguments of every kind: nothing ends its process. */
import { expect, it } from 'vitest';
import { addonCalls } from '../tests/kit/addon-calls.ts';
import { fuzzBudget } from '../tests/kit/mutate.ts';
import { describeNative } from '../tests/kit/native.ts';
import { runScript } from '../tests/kit/native-script.ts';

describeNative('the addon', () => {
  const { ms, seed } = fuzzBudget();
  it(`answers whatever it is called with (seed ${seed})`, { timeout: ms + 60_000 }, () => {
    const end = runScript(addonCalls(seed, ms));
    expect({ stderr: end.stderr.slice(0, 4000), status: end.status, signal: end.signal }).toEqual({
      stderr: '',
      status: 0,
      signal: null,
    });
    const { runs, answers } = JSON.parse(end.stdout) as { runs: number; answers: number };
    expect(runs).toBeGreaterThan(1000);
    expect(answers).toBeGreaterThan(runs / 20);
  });
});
