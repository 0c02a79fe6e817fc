/** netdev_add of socket and dgram, right and wrong, as QEMU answers it: the error's text, or the line of `info network`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NetClient, NetdevContext } from '../../src/net/index.ts';
import { portableDrivers } from '../../src/netdevs/index.ts';
import { createNodeHost } from '../../src/node/index.ts';
import { createRecordingContext } from '../kit/netdev-context.ts';
import { describePeer } from '../kit/peers.ts';

interface Case {
  readonly type: 'socket' | 'dgram';
  readonly [member: string]: unknown;
}

const inet = (host: string, port: string) => ({ type: 'inet', host, port });
const UNIX = { type: 'unix', path: '/nonexistent/u' };
const FD = { type: 'fd', str: 'x' };
const VSOCK = { type: 'vsock', cid: '2', port: '1' };
const LOCAL = inet('127.0.0.1', '1');

const CASES: Case[] = [
  { type: 'socket' },
  { type: 'socket', listen: ':1', connect: ':2' },
  { type: 'socket', udp: ':1' },
  { type: 'socket', listen: ':0', localaddr: 'x' },
  { type: 'socket', connect: ':1', localaddr: ':1' },
  { type: 'socket', mcast: '1.2.3.4:5', localaddr: 'bogus' },
  { type: 'socket', mcast: '1.2.3.4:5', localaddr: '127.0.0.1' },
  { type: 'socket', mcast: 'x' },
  { type: 'socket', mcast: '230.0.0.1' },
  { type: 'socket', mcast: '230.0.0.1:5', localaddr: '127.0.0.1:1' },
  { type: 'socket', mcast: '[::1]:1' },
  { type: 'socket', udp: 'a:1', localaddr: 'b:1' },
  { type: 'socket', udp: 'a', localaddr: '1.2.3.4.5:1' },
  { type: 'socket', udp: '127.0.0.1:x', localaddr: '127.0.0.1:y' },
  { type: 'socket', listen: '' },
  { type: 'socket', listen: ':' },
  { type: 'socket', listen: '127.0.0.1' },
  { type: 'socket', listen: '1.2.3:0' },
  { type: 'socket', listen: '192.0.2.1:1' },
  { type: 'socket', listen: '0x7f.1:0' },
  { type: 'socket', listen: '127.0.0.1: 45555' },
  { type: 'socket', connect: '192.0.2.300:1' },
  { type: 'socket', connect: '127.0.0.1:1' },
  { type: 'socket', connect: ':1' },
  { type: 'socket', connect: '255.255.255.255:1' },
  { type: 'socket', connect: 'nohost.invalid:1' },
  { type: 'dgram' },
  { type: 'dgram', local: LOCAL },
  { type: 'dgram', local: inet('x', 'y') },
  { type: 'dgram', local: UNIX },
  { type: 'dgram', remote: LOCAL },
  { type: 'dgram', remote: UNIX },
  { type: 'dgram', remote: VSOCK },
  { type: 'dgram', remote: LOCAL, local: FD },
  { type: 'dgram', remote: LOCAL, local: UNIX },
  { type: 'dgram', remote: UNIX, local: LOCAL },
  { type: 'dgram', remote: VSOCK, local: VSOCK },
  { type: 'dgram', remote: FD, local: FD },
  { type: 'dgram', remote: inet('230.0.0.1', '1'), local: UNIX },
  { type: 'dgram', remote: inet('230.0.0.1', '1'), local: VSOCK },
  { type: 'dgram', remote: inet('230.0.0.1', '1'), local: inet('foo', 'x') },
  { type: 'dgram', remote: inet('230.0.0.1', '1'), local: inet('', 'x') },
  { type: 'dgram', remote: inet('230.0.0.1', 'x') },
  { type: 'dgram', remote: inet('300.1.1.1', '1'), local: FD },
  { type: 'dgram', remote: inet('::1', '1'), local: inet('::1', '1') },
  { type: 'dgram', remote: LOCAL, local: inet('192.0.2.1', '1') },
  { type: 'dgram', remote: LOCAL, local: inet('127.0.0.1', 'y') },
  { type: 'dgram', remote: inet('127.0.0.1', ''), local: inet('127.0.0.1', '') },
  { type: 'dgram', remote: inet('127.0.0.1', '0x1f'), local: inet('127.0.0.1', '045') },
];

/** Deliberate: a port is a whole number in range, and a chosen port is shown. */
const DIFFERENT: [Case, RegExp, RegExp][] = [
  [{ type: 'socket', listen: '127.0.0.1: 5x' }, /^ok/, /^port number ' 5x' is invalid$/],
  [{ type: 'socket', listen: '127.0.0.1:-5' }, /^ok/, /^port number '-5' is invalid$/],
  [
    { type: 'dgram', remote: inet('', '1'), local: inet('', '0') },
    /^ok udp=0\.0\.0\.0:0\//,
    /^ok udp=0\.0\.0\.0:\d{2,}\//,
  ],
];

type Reply = { return?: unknown; error?: { desc: string } };

describePeer('netdev_add as QEMU answers it', ['qemu-system-x86_64'], () => {
  const host = createNodeHost();
  let directory: string;
  let qemu: ChildProcess;
  let socket: net.Socket;
  const waiting: ((reply: Reply) => void)[] = [];

  const execute = (name: string, args?: object): Promise<Reply> =>
    new Promise((resolve) => {
      waiting.push(resolve);
      socket.write(`${JSON.stringify({ execute: name, arguments: args })}\n`);
    });

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'ny-errors-'));
    const path = join(directory, 'qmp');
    const qmp = `unix:${path},server=on,wait=off`;
    qemu = spawn('qemu-system-x86_64', ['-M', 'none', '-nodefaults', '-display', 'none', '-qmp', qmp], {
      stdio: 'ignore',
    });
    socket = await connect(path);
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString();
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        const reply = JSON.parse(text.slice(0, end)) as Reply;
        text = text.slice(end + 1);
        if ('return' in reply || 'error' in reply) waiting.shift()?.(reply);
      }
    });
    await execute('qmp_capabilities');
  });

  afterAll(async () => {
    socket?.destroy();
    qemu?.kill('SIGKILL');
    await host.close();
    rmSync(directory, { recursive: true });
  });

  async function theirs(options: Case): Promise<string> {
    const added = await execute('netdev_add', { id: 'n0', ...options });
    if (added.error !== undefined) return added.error.desc;
    const info = await execute('human-monitor-command', { 'command-line': 'info network' });
    await execute('netdev_del', { id: 'n0' });
    const line = String(info.return)
      .split('\r\n')
      .find((text) => text.startsWith('n0:'));
    return `ok ${line?.replace(/^.*?type=\w+,/, '')}`;
  }

  async function ours(options: Case): Promise<string> {
    const create = portableDrivers[options.type] as (options: Case, context: NetdevContext) => Promise<NetClient>;
    try {
      const client = await create(options, createRecordingContext(host));
      const info = client.info();
      await client.close();
      return `ok ${info}`;
    } catch (error) {
      return (error as Error).message;
    }
  }

  it.each(CASES)('%j', async (options) => {
    expect(await ours(options)).toBe(await theirs(options));
  });

  it.each(DIFFERENT)('%j differs', async (options, qemuSays, weSay) => {
    expect(await theirs(options)).toMatch(qemuSays);
    expect(await ours(options)).toMatch(weSay);
  });
});

async function connect(path: string): Promise<net.Socket> {
  for (const limit = performance.now() + 20_000; ; ) {
    const socket = net.connect({ path });
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (connected) return socket;
    if (performance.now() > limit) throw new Error('QEMU did not start');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
