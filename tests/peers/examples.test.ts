/** The programs in examples/ run against the built package, as a user would run them. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { startDaemon } from '../kit/guest/daemon.ts';

const root = new URL('../../', import.meta.url).pathname;

async function example(name: string, ...args: string[]): Promise<string> {
  const words = ['--import', 'tsx', join(root, 'examples', name), ...args];
  return (await promisify(execFile)(process.execPath, words, { cwd: root, timeout: 20_000 })).stdout;
}

test('forward.ts', async () => {
  expect(await example('forward.ts')).toMatch(/^ssh -p \d+ 127\.0\.0\.1 reaches 10\.0\.2\.15:22\nforwards left: 0\n$/);
});

test('watch.ts', async () => {
  const runtime = mkdtempSync(join(tmpdir(), 'ny-'));
  const yard = await startDaemon({ name: 'ex', runtime });
  try {
    const watching = example('watch.ts', yard.qmpSocket, '1');
    const ended = { value: false };
    void watching.finally(() => (ended.value = true));
    while (!ended.value) {
      const guest = connect(yard.guestSocket);
      await new Promise((resolve) => setTimeout(resolve, 200));
      guest.destroy();
    }
    const output = await watching;
    expect(output).toContain('user (user) is up\n');
    expect(output).toMatch(/^NETDEV_STREAM_(DIS)?CONNECTED \{"netdev-id":"guests\.0"/m);
  } finally {
    await yard.end();
    rmSync(runtime, { recursive: true });
  }
});
