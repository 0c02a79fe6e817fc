/** DHCP with real clients: one that looks for duplicates, static neighbours, and a yard that is started again. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Daemon, startDaemon } from '../kit/guest/daemon.ts';
import { ip, isRoot, TestNamespace, uniqueName } from '../kit/namespace.ts';
import { describeNative } from '../kit/native.ts';
import { describePeer } from '../kit/peers.ts';

const NAME = 'dhcp-test';

let runtime: string;
let daemon: Daemon | undefined;
let namespaces: TestNamespace[];

beforeEach(() => {
  runtime = mkdtempSync(join(tmpdir(), 'ny-dhcp-'));
  namespaces = [];
});
afterEach(async () => {
  await daemon?.end();
  daemon = undefined;
  for (const namespace of namespaces) namespace.close();
  rmSync(runtime, { recursive: true });
});

/** A yard with `user` and taps of these names, in namespaces of their own. */
async function start(taps: readonly string[], options = ''): Promise<TestNamespace[]> {
  const args = taps.flatMap((name) => ['-netdev', `tap,id=${name},ifname=${name},script=no,downscript=no`]);
  daemon = await startDaemon({ name: NAME, runtime, args: ['-netdev', `user,id=u0${options}`, ...args] });
  return taps.map((name, i) => {
    const namespace = new TestNamespace();
    namespaces.push(namespace);
    ip('link', 'set', name, 'address', `52:54:00:00:00:0${i + 1}`, 'netns', namespace.name);
    namespace.ip('link', 'set', name, 'up');
    return namespace;
  });
}

/** What udhcpc is lent and finds free; 'none' after some seconds. */
async function lease(namespace: TestNamespace, tap: string): Promise<string> {
  const script = join(import.meta.dirname, '../kit/guest/print-lease.sh');
  const client = [
    'busybox',
    'udhcpc',
    '-i',
    tap,
    '-a500',
    '-t',
    '4',
    '-T',
    '2',
    '-A',
    '1',
    '-n',
    '-q',
    '-f',
    '-s',
    script,
  ];
  const { stdout } = await namespace.exec('timeout', '25', ...client);
  return /lease (\S+)/.exec(stdout)?.[1] ?? 'none';
}

async function leases(): Promise<string[]> {
  const found = (await daemon?.qmp.execute('query-net-leases', { id: 'u0' })) as { address: string; mac: string }[];
  return found.map(({ address, mac }) => `${address} ${mac.slice(-2)}`);
}

describePeer('DHCP clients', ['ip', 'busybox', 'timeout'], () => {
  describeNative('on taps', () => {
    it.skipIf(!isRoot)('are lent no address that a neighbour has set by hand', { timeout: 60_000 }, async () => {
      const taps = [uniqueName('d'), uniqueName('d')] as const;
      const [first, second] = await start(taps);
      first?.ip('addr', 'add', '10.0.2.15/24', 'dev', taps[0]);
      // It has not said a word.
      expect(await lease(second!, taps[1])).toBe('10.0.2.16');
      expect(daemon?.output()).toContain('an address is lent');
    });

    it.skipIf(!isRoot)(
      'keep their addresses when a yard with a name is started again',
      { timeout: 90_000 },
      async () => {
        const taps = [uniqueName('d'), uniqueName('d')] as const;
        const [first] = await start(taps);
        expect(await lease(first!, taps[0])).toBe('10.0.2.15');
        await daemon?.end();
        const file = join(runtime, 'state/netyard', NAME, 'u0-10.0.2.0-255.255.255.0.leases');
        expect(readFileSync(file, 'latin1')).toMatch(
          /^netyard leases 1 \S+\n10\.0\.2\.15 52:54:00:00:00:01 \d+ - \S*\n$/,
        );
        expect(statSync(file).mode & 0o777).toBe(0o600);
        const [again, other] = await start(taps);
        expect(await leases()).toEqual(['10.0.2.15 01']);
        expect(await lease(other!, taps[1])).toBe('10.0.2.16');
        expect(await lease(again!, taps[0])).toBe('10.0.2.15');
      },
    );
  });
});
