/** This project's files run in a worker thread: the netdev suites, and a whole yard with its monitor. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { parseQmpDevice, startQmpMonitor } from '../../src/monitor/index.ts';
import { portableDrivers } from '../../src/netdevs/index.ts';
import { createNodeHost } from '../../src/node/index.ts';
import { connect } from '../../src/node/qmp.ts';
import { Yard } from '../../src/yard/index.ts';

it('a yard and its monitor live in a worker as a whole', async () => {
  expect(isMainThread).toBe(false);
  const folder = mkdtempSync(join(tmpdir(), 'netyard-worker-'));
  const host = createNodeHost();
  const yard = new Yard({ host, drivers: portableDrivers, version: '0.0.0' });
  const device = parseQmpDevice(`unix:${folder}/qmp.sock,server=on,wait=off`);
  const monitor = await startQmpMonitor({ device, pretty: false }, yard);
  try {
    await using session = await connect(`${folder}/qmp.sock`);
    await session.execute('netdev_add', { type: 'user', id: 'u0' });
    const guest = yard.attach({ id: 'vm0', netdev: 'u0' });
    expect(await session.execute('query-net-clients')).toMatchObject([
      { name: 'u0', peer: 'vm0', link: true },
      { name: 'vm0', peer: 'u0', link: true },
    ]);
    await guest.close();
  } finally {
    await monitor.close();
    await yard.close();
    await host.close();
    rmSync(folder, { recursive: true });
  }
});
