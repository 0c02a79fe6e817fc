/**
 * Real Linux guests on the default yard: what a person who follows the README gets, and what happens to it when links
 * go down, netdevs come and go, guests die or freeze, and the yard itself is killed. The tests build on each other.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fetchFile, ping, resolveName, sendFile, serveWeb, takeLease } from '../kit/guest/chores.ts';
import { type Daemon, startDaemon } from '../kit/guest/daemon.ts';
import { bootGuest, type Guest } from '../kit/guest/guest.ts';
import { describeGuests } from '../kit/guest/require.ts';
import {
  type FileService,
  type NameService,
  serveFile,
  serveNames,
  serveUploads,
  type UploadService,
  withResolver,
} from '../kit/guest/services.ts';

const FILE_BYTES = 100_000_000;
const MAC_A = '52:54:00:00:00:0a';
const MAC_B = '52:54:00:00:00:0b';
const MAC_C = '52:54:00:00:00:0c';
const A = '10.0.2.15';
const B = '10.0.2.16';

interface SwitchInfo {
  readonly addresses: readonly { readonly mac: string; readonly port: string }[];
  readonly ports: readonly string[];
}

describeGuests('Linux guests on the default yard', () => {
  const folder = mkdtempSync(join(tmpdir(), 'netyard-e2e-'));
  let file: FileService;
  let uploads: UploadService;
  let names: NameService;
  let yard: Daemon;
  let a: Guest;
  let b: Guest;

  const attached = (socket: string): string => `stream,id=n0,server=off,addr.type=unix,addr.path=${socket}`;
  const boot = (mac: string, socket = yard.guestSocket): Promise<Guest> =>
    bootGuest({ netdev: attached(socket), mac, memoryMb: 384 });
  /** The switch port behind which an address was seen. */
  const portOf = async (mac: string): Promise<string> => {
    const { addresses } = await yard.qmp.execute<SwitchInfo>('query-net-switch');
    const port = addresses.find((entry) => entry.mac === mac)?.port;
    expect(port, `no port for ${mac}`).toBeDefined();
    return port!;
  };
  const start = (): Promise<Daemon> =>
    startDaemon({
      name: 'e2e',
      runtime: folder,
      prefix: withResolver(join(folder, 'resolv.conf'), names.address),
    });

  beforeAll(async () => {
    file = await serveFile(FILE_BYTES);
    uploads = await serveUploads();
    names = await serveNames('127.0.0.78', { 'files.netyard.test': '192.0.2.8' });
    yard = await start();
    [a, b] = await Promise.all([boot(MAC_A), boot(MAC_B)]);
  });

  afterAll(async () => {
    await Promise.all([a?.kill(), b?.kill()]);
    await yard?.end();
    await Promise.all([file?.close(), uploads?.close(), names?.close()]);
    rmSync(folder, { recursive: true, force: true });
  });

  test('take the first two leases, and the monitor knows them', async () => {
    expect(await takeLease(a)).toBe(A);
    expect(await takeLease(b)).toBe(B);
    const leases = await yard.qmp.execute<{ mac: string; address: string }[]>('query-net-leases');
    expect(leases).toMatchObject([
      { id: 'user', mac: MAC_A, address: A },
      { id: 'user', mac: MAC_B, address: B },
    ]);
    // Taking the lease again keeps the address.
    expect(await takeLease(a)).toBe(A);
  });

  test('ping the host and each other', async () => {
    await Promise.all([ping(a, '10.0.2.2'), ping(b, '10.0.2.2')]);
    await Promise.all([ping(a, B), ping(b, A)]);
  });

  test('fetch 100 MB from the host, and send it back', async () => {
    await fetchFile(a, file);
    await sendFile(a, uploads, file);
  });

  test('fetch from each other', async () => {
    await serveWeb(a, 'page of A');
    await serveWeb(b, 'page of B');
    expect(await b.check(`wget -q -O - http://${A}/`)).toBe('page of A\n');
    expect(await a.check(`wget -q -O - http://${B}/`)).toBe('page of B\n');
    await b.check(`wget -q -O /tmp/file http://${A}/file`, { timeoutMs: 90_000 });
    expect((await b.check('sha256sum </tmp/file')).split(' ')[0]).toBe(file.sha256);
  });

  test('resolve a name', () => resolveName(b, 'files.netyard.test', '192.0.2.8'));

  test('are reached through a forward whose port the host chose', async () => {
    const forward = await yard.qmp.execute<{ 'host-port': number }>('hostfwd-add', {
      id: 'user',
      rule: `tcp:127.0.0.1:0-${B}:80`,
    });
    expect(forward).toMatchObject({ id: 'user', protocol: 'tcp', 'guest-address': B, 'guest-port': 80 });
    const url = `http://127.0.0.1:${forward['host-port']}`;
    expect(await (await fetch(`${url}/`)).text()).toBe('page of B\n');
    const body = new Uint8Array(await (await fetch(`${url}/file`)).arrayBuffer());
    expect(await sha256(body)).toBe(file.sha256);
    expect(await yard.qmp.execute('query-net-forwards')).toMatchObject([forward]);
    await yard.qmp.execute('hostfwd-remove', { id: 'user', rule: `tcp:127.0.0.1:${forward['host-port']}` });
    await expect(fetch(`${url}/`)).rejects.toThrow();
  });

  test('lose and regain their link with set_link', async () => {
    const port = await portOf(MAC_B);
    await yard.qmp.execute('set_link', { name: port, up: false });
    expect((await b.run('ping -c 2 -i 0.2 -W 1 10.0.2.2')).output).toContain(', 0 packets received');
    expect((await a.run(`ping -c 2 -i 0.2 -W 1 ${B}`)).output).toContain(', 0 packets received');
    await ping(a, '10.0.2.2');
    await yard.qmp.execute('set_link', { name: port, up: true });
    await ping(b, '10.0.2.2');
    await ping(a, B);
  });

  test('do not notice netdevs that come and go', async () => {
    const traffic = [
      ping(a, B, 40),
      ping(b, '10.0.2.2', 40),
      b.check(`wget -q -O /dev/null http://${A}/file`, { timeoutMs: 90_000 }),
    ];
    const path = join(folder, 'hot.sock');
    for (let round = 0; round < 20; round++) {
      const addr = { type: 'unix', path };
      await yard.qmp.execute('netdev_add', { type: 'stream', id: 'hot', server: true, addr });
      await yard.qmp.execute('netdev_add', { type: 'hubport', id: 'spoke', hubid: round });
      await yard.qmp.execute('netdev_del', { id: 'hot' });
      await yard.qmp.execute('netdev_del', { id: 'spoke' });
    }
    await Promise.all(traffic);
  });

  test('outlive the deletion of the user network, and use the next one', async () => {
    const traffic = ping(a, B, 25);
    const cut = a.run(`nc 10.0.2.2 ${uploads.port} -e cat /tmp/file`, { timeoutMs: 60_000 });
    await settled(500);
    await yard.qmp.execute('netdev_del', { id: 'user' });
    expect((await a.run('ping -c 2 -i 0.2 -W 1 10.0.2.2')).output).toContain(', 0 packets received');
    await yard.qmp.execute('netdev_add', { type: 'user', id: 'user' });
    await ping(a, '10.0.2.2');
    await traffic;
    // The flow of the old network is unknown to the new one: it must be refused, not left to hang.
    expect((await cut).status).not.toBe(0);
    // The new one has lent nothing yet; a guest that asks for the address it has gets it.
    expect(await takeLease(a)).toBe(A);
    expect(await takeLease(b)).toBe(B);
    await fetchFile(a, file);
  });

  test('disturb nobody when one is killed in the middle of a transfer', async () => {
    const seen = yard.qmp.events.length;
    const c = await boot(MAC_C);
    expect(await takeLease(c)).toBe('10.0.2.17');
    const port = await portOf(MAC_C);
    const fresh = (name: string) => (event: { event: string; data?: Record<string, unknown> }) =>
      event.event === name && event.data?.['netdev-id'] === port && yard.qmp.events.indexOf(event as never) >= seen;
    const connected = await yard.qmp.event(fresh('NETDEV_STREAM_CONNECTED'));
    expect(connected).toEqual({
      timestamp: { seconds: expect.any(Number), microseconds: expect.any(Number) },
      event: 'NETDEV_STREAM_CONNECTED',
      data: { 'netdev-id': port, addr: { type: 'unix', path: yard.guestSocket } },
    });
    const others = [ping(a, B, 15), ping(b, '10.0.2.2', 15)];
    const transfer = c.run(`wget -q -O /dev/null http://10.0.2.2:${file.port}/`).catch(() => undefined);
    const fromGuest = c.run(`wget -q -O /dev/null http://${A}/file`).catch(() => undefined);
    await settled(400);
    await c.kill();
    await Promise.all([transfer, fromGuest]);
    const disconnected = await yard.qmp.event(fresh('NETDEV_STREAM_DISCONNECTED'));
    expect(disconnected.data).toEqual({ 'netdev-id': port });
    await Promise.all(others);
    expect((await yard.qmp.execute<SwitchInfo>('query-net-switch')).ports).not.toContain(port);
  });

  test('disturb nobody when one is frozen in the middle of a transfer, which then goes on', async () => {
    const frozen = b.check(`wget -q -O - http://10.0.2.2:${file.port}/ | sha256sum`, { timeoutMs: 120_000 });
    const between = b.check(`wget -q -O - http://${A}/file | sha256sum`, { timeoutMs: 120_000 });
    await settled(400);
    b.stop();
    const started = performance.now();
    await fetchFile(a, file);
    await ping(a, '10.0.2.2');
    expect(performance.now() - started).toBeLessThan(60_000);
    // Broadcasts towards the frozen guest fill its queue; the monitor answers all the same.
    expect(await yard.qmp.execute('query-status')).toMatchObject({ running: true });
    b.cont();
    expect((await frozen).split(' ')[0]).toBe(file.sha256);
    expect((await between).split(' ')[0]).toBe(file.sha256);
  });

  test('are reached from a second yard, which reconnects after a kick and after kill -9 of the first', async () => {
    const second = await startDaemon({
      name: 'second',
      runtime: folder,
      args: [
        ...['-netdev', `listener,id=guests,addr.type=unix,addr.path=${join(folder, 'second.sock')}`],
        ...['-netdev', `stream,id=up,addr.type=unix,addr.path=${yard.guestSocket},reconnect-ms=200`],
      ],
    });
    let c: Guest | undefined;
    try {
      c = await boot(MAC_C, join(folder, 'second.sock'));
      expect(await takeLease(c)).toBe('10.0.2.17');
      await ping(c, A);

      const ups = (name: string): number =>
        second.qmp.events.filter(({ event, data }) => event === name && data?.['netdev-id'] === 'up').length;
      const nthUp = (name: string, n: number) =>
        second.qmp.event(({ event, data }) => event === name && data?.['netdev-id'] === 'up' && ups(name) >= n);
      const connections = ups('NETDEV_STREAM_CONNECTED');
      await yard.qmp.execute('netdev_del', { id: await portOf(MAC_C) });
      await nthUp('NETDEV_STREAM_DISCONNECTED', 1);
      await nthUp('NETDEV_STREAM_CONNECTED', connections + 1);
      await ping(c, A);

      expect(await yard.end('SIGKILL')).toBe('SIGKILL');
      await nthUp('NETDEV_STREAM_DISCONNECTED', 2);
      yard = await start();
      await nthUp('NETDEV_STREAM_CONNECTED', connections + 2);
      await ping(c, '10.0.2.2');
    } finally {
      await c?.kill();
      expect(await second.end()).toBe(0);
    }
  });
});

async function sha256(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString('hex');
}

/** Lets real traffic run for a while: there is no event for "in the middle of a transfer". */
const settled = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
