import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostCompliance } from '../../tests/kit/compliance/host.ts';
import { createNodeHost } from './host.ts';

let counter = 0;

hostCompliance('Node', () => {
  const host = createNodeHost();
  const directory = mkdtempSync(join(tmpdir(), 'ny-host-'));
  return {
    host,
    isRealTime: true,
    step: () => new Promise((resolve) => setTimeout(resolve, 1)),
    leaks: () => (host.openSockets === 0 ? [] : [`${host.openSockets} sockets`]),
    unixPath: (name) => join(directory, `${name}${counter++}`),
    close: async () => {
      await host.close();
      rmSync(directory, { recursive: true });
    },
  };
});
