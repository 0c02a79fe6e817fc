import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNodeHost } from '../../src/node/index.ts';
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

hostCompliance('Node', () => {
  const host = createNodeHost();
  const directory = mkdtempSync(join(tmpdir(), 'netyard-host-'));
  return {
    host,
    step: () => new Promise((resolve) => setTimeout(resolve, 1)),
    leaks: () => (host.openSockets === 0 ? [] : [`${host.openSockets} sockets`]),
    unixPath: (name) => join(directory, name),
    close: async () => {
      await host.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
});
