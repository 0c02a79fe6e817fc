import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostCompliance } from '../../tests/kit/compliance/host.ts';
import { describeNative } from '../../tests/kit/native.ts';
import { createNodeHost } from './host.ts';

let counter = 0;

const suite = (name: string, native: boolean): void =>
  hostCompliance(name, () => {
    const host = createNodeHost({ native });
    const directory = mkdtempSync(join(tmpdir(), 'ny-host-'));
    return {
      host,
      isRealTime: true,
      step: () => new Promise((resolve) => setTimeout(resolve, 1)),
      leaks: () => (host.openSockets === 0 ? [] : [`${host.openSockets} sockets`]),
      unixPath: (path) => join(directory, `${path}${counter++}`),
      close: async () => {
        await host.close();
        rmSync(directory, { recursive: true });
      },
    };
  });

suite('Node', false);
describeNative('the native layer', () => suite('Node with the addon', true));
