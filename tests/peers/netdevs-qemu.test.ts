/**
 * Each socket netdev against QEMU's own: frames of many lengths both ways. In QEMU the netdev under test hangs on a hub
 * with a UDP netdev, through which the test sends and receives.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import * as dgram from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { NetClient } from '../../src/net/index.ts';
import { createDgram, createListener, createSocket, createStream } from '../../src/netdevs/index.ts';
import { createNodeHost, type NodeHost } from '../../src/node/index.ts';
import {
  createRecordingContext,
  give,
  type RecordedChild,
  type RecordingContext,
  testFrame,
} from '../kit/netdev-context.ts';
import { describePeer } from '../kit/peers.ts';

const QEMU = 'qemu-system-x86_64';
const LENGTHS = [14, 60, 1514, 9018, 60_000];

let host: NodeHost;
let context: RecordingContext;
let directory: string;
let udp: dgram.Socket;
let received: Buffer[];
let qemus: ChildProcess[];

beforeEach(async () => {
  host = createNodeHost();
  context = createRecordingContext(host);
  directory = mkdtempSync(join(tmpdir(), 'ny-qemu-'));
  received = [];
  qemus = [];
  udp = dgram.createSocket('udp4');
  udp.on('message', (bytes) => received.push(bytes));
  await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  for (const qemu of qemus) await stop(qemu);
  udp.close();
  await host.close();
  rmSync(directory, { recursive: true });
});

function stop(qemu: ChildProcess): Promise<void> {
  if (qemu.exitCode !== null || qemu.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    qemu.once('exit', () => resolve());
    qemu.kill('SIGKILL');
  });
}

/** A UDP port that is free now. */
async function freePort(): Promise<number> {
  const socket = dgram.createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

/** Starts QEMU with the netdev `n` given in its option syntax, and the test's own on the same hub. */
async function startQemu(netdev: string): Promise<{ qemu: ChildProcess; port: number }> {
  const port = await freePort();
  const arguments_ = ['-M', 'none', '-nodefaults', '-display', 'none', '-netdev', netdev];
  arguments_.push('-netdev', `socket,id=t,udp=127.0.0.1:${udp.address().port},localaddr=127.0.0.1:${port}`);
  for (const name of ['n', 't']) arguments_.push('-netdev', `hubport,id=h${name},hubid=0,netdev=${name}`);
  const qemu = spawn(QEMU, arguments_, { stdio: 'ignore' });
  qemus.push(qemu);
  return { qemu, port };
}

async function until(condition: () => boolean, ms = 20_000): Promise<void> {
  const limit = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > limit) throw new Error(`never: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Frames of all lengths from the test through QEMU to us, and back. */
async function exchange(client: NetClient, port: number, frames: Uint8Array[]): Promise<void> {
  // Until QEMU has everything wired, frames are lost.
  const probe = testFrame(99, 1);
  await until(() => {
    udp.send(probe, port, '127.0.0.1');
    return frames.length > 0;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  frames.length = 0;
  for (const [i, length] of LENGTHS.entries()) {
    const there = testFrame(length, i);
    udp.send(there, port, '127.0.0.1');
    await until(() => frames.length > i);
    expect(Buffer.compare(frames[i] as Uint8Array, there)).toBe(0);
    const back = testFrame(length, i + 100);
    expect(give(client, back)).toBe(true);
    await until(() => received.length > i);
    expect(Buffer.compare(received[i] as Buffer, back)).toBe(0);
  }
  expect([frames.length, received.length]).toEqual([LENGTHS.length, LENGTHS.length]);
}

describePeer('netdevs with QEMU', [QEMU], () => {
  it('listener: a stream client over a unix socket', async () => {
    const path = join(directory, 'l');
    const listener = await createListener({ addr: { type: 'unix', path } }, context);
    const { qemu, port } = await startQemu(`stream,id=n,server=off,addr.type=unix,addr.path=${path}`);
    await until(() => context.children.size === 1);
    const child = context.children.get('n0.0') as RecordedChild;
    await exchange(child.client, port, child.port.frames);
    await stop(qemu);
    await until(() => context.children.size === 0);
    expect(context.events.at(-1)).toBe('NETDEV_STREAM_DISCONNECTED {"netdev-id":"n0.0"}');
    await listener.close();
  });

  it('stream server: a stream client over TCP', async () => {
    const tcp = await freePort();
    const addr = { type: 'inet', host: '127.0.0.1', port: String(tcp) } as const;
    const client = await createStream({ addr, server: true }, context);
    const { port } = await startQemu(`stream,id=n,server=off,addr.type=inet,addr.host=127.0.0.1,addr.port=${tcp}`);
    await until(() => context.port.linkUp);
    await exchange(client, port, context.port.frames);
    await client.close();
  });

  it('stream client: a stream server that comes late, dies and comes back', async () => {
    const path = join(directory, 's');
    const netdev = `stream,id=n,server=on,addr.type=unix,addr.path=${path}`;
    const client = await createStream({ addr: { type: 'unix', path }, 'reconnect-ms': 50 }, context);
    expect(context.port.linkUp).toBe(false);
    const first = await startQemu(netdev);
    await until(() => context.port.linkUp);
    expect(client.info()).toBe(`unix:${path}`);
    await exchange(client, first.port, context.port.frames);
    await stop(first.qemu);
    await until(() => !context.port.linkUp);
    received.length = 0;
    context.port.frames.length = 0;
    const second = await startQemu(netdev);
    await until(() => context.port.linkUp);
    await exchange(client, second.port, context.port.frames);
    expect(context.events.map((event) => event.split(' ')[0])).toEqual([
      'NETDEV_STREAM_CONNECTED',
      'NETDEV_STREAM_DISCONNECTED',
      'NETDEV_STREAM_CONNECTED',
    ]);
    await client.close();
  });

  it('socket listen and connect', async () => {
    const tcp = await freePort();
    const listening = await createSocket({ listen: `127.0.0.1:${tcp}` }, context);
    const { qemu, port } = await startQemu(`socket,id=n,connect=127.0.0.1:${tcp}`);
    await until(() => context.port.linkUp);
    await exchange(listening, port, context.port.frames);
    await stop(qemu);
    await listening.close();

    const other = createRecordingContext(host);
    received.length = 0;
    const server = await startQemu(`socket,id=n,listen=127.0.0.1:${tcp}`);
    let connecting: NetClient | undefined;
    for (let tries = 0; (connecting === undefined || !other.port.linkUp) && tries < 200; tries++) {
      await connecting?.close();
      connecting = await createSocket({ connect: `127.0.0.1:${tcp}` }, other);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(connecting?.info()).toBe(`socket: connect to 127.0.0.1:${tcp}`);
    await exchange(connecting as NetClient, server.port, other.port.frames);
    await connecting?.close();
  });

  it('socket udp, and dgram', async () => {
    const [ours, theirs] = [await freePort(), await freePort()];
    const udpNetdev = await createSocket({ udp: `127.0.0.1:${theirs}`, localaddr: `127.0.0.1:${ours}` }, context);
    const first = await startQemu(`socket,id=n,udp=127.0.0.1:${ours},localaddr=127.0.0.1:${theirs}`);
    await exchange(udpNetdev, first.port, context.port.frames);
    await stop(first.qemu);
    await udpNetdev.close();

    received.length = 0;
    context.port.frames.length = 0;
    const inet = (port: number) => ({ type: 'inet', host: '127.0.0.1', port: String(port) }) as const;
    const client = await createDgram({ remote: inet(theirs), local: inet(ours) }, context);
    const end = (name: string, port: number): string => `${name}.type=inet,${name}.host=127.0.0.1,${name}.port=${port}`;
    const second = await startQemu(`dgram,id=n,${end('local', theirs)},${end('remote', ours)}`);
    await exchange(client, second.port, context.port.frames);
    await client.close();
  });

  it('socket mcast', async () => {
    const group = `230.7.7.8:${await freePort()}`;
    const client = await createSocket({ mcast: group, localaddr: '127.0.0.1' }, context);
    const { port } = await startQemu(`socket,id=n,mcast=${group},localaddr=127.0.0.1`);
    // QEMU hears its own frames and sends them to the hub again, so the test's socket sees each of its own once more.
    const frames = context.port.frames;
    await until(() => {
      udp.send(testFrame(60, 1), port, '127.0.0.1');
      return frames.length > 0;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    frames.length = received.length = 0;
    expect(give(client, testFrame(1514, 2))).toBe(true);
    await until(() => received.length === 1);
    expect(Buffer.compare(received[0] as Buffer, testFrame(1514, 2))).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(frames).toEqual([]);
    expect(context.port.counters.dropped['own-echo']).toBe(1);
    await client.close();
  });
});
