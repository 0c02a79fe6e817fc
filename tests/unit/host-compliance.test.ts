/** The suite every host runs, over the test kit's own. */
import { hostCompliance } from '../kit/compliance/host.ts';
import { createTestHost } from '../kit/host.ts';

hostCompliance('test kit', () => {
  const test = createTestHost();
  return {
    host: test.host,
    step: () => test.elapse(1),
    leaks: () => test.leaks(),
    unixPath: (name) => `/virtual/${name}`,
    close: () => {},
  };
});
