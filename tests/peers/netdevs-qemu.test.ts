/**
 * Each socket netdev against QEMU's own: frames of many lengths both ways. In QEMU the netdev under test hangs on a hub
 * with a UDP netdev, through which the test sends and receives.
 */
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
import { freePort, QEMU, QemuHub, stop } from '../kit/qemu-hub.ts';
import { until } from '../kit/until.ts';

let host: NodeHost;
let context: RecordingContext;
let directory: string;
let hub: QemuHub;

beforeEach(async () => {
  host = createNodeHost();
  context = createRecordingContext(host);
  directory = mkdtempSync(join(tmpdir(), 'ny-qemu-'));
  hub = await QemuHub.open();
});

afterEach(async () => {
  await hub.close();
  await host.close();
  rmSync(directory, { recursive: true });
});

describePeer('netdevs with QEMU', [QEMU], () => {
  it('listener: a stream client over a unix socket', async () => {
    const path = join(directory, 'l');
    const listener = await createListener({ addr: { type: 'unix', path } }, context);
    const { qemu, port } = await hub.startQemu(`stream,id=n,server=off,addr.type=unix,addr.path=${path}`);
    await until(() => context.children.size === 1);
    const child = context.children.get('n0.0') as RecordedChild;
    await hub.exchange(child.client, port, child.port.frames);
    await stop(qemu);
    await until(() => context.children.size === 0);
    expect(context.events.at(-1)).toBe('NETDEV_STREAM_DISCONNECTED {"netdev-id":"n0.0"}');
    await listener.close();
  });

  it('stream server: a stream client over TCP', async () => {
    const tcp = await freePort();
    const addr = { type: 'inet', host: '127.0.0.1', port: String(tcp) } as const;
    const client = await createStream({ addr, server: true }, context);
    const { port } = await hub.startQemu(`stream,id=n,server=off,addr.type=inet,addr.host=127.0.0.1,addr.port=${tcp}`);
    await until(() => context.port.linkUp);
    await hub.exchange(client, port, context.port.frames);
    await client.close();
  });

  it('stream client: a stream server that comes late, dies and comes back', async () => {
    const path = join(directory, 's');
    const netdev = `stream,id=n,server=on,addr.type=unix,addr.path=${path}`;
    const client = await createStream({ addr: { type: 'unix', path }, 'reconnect-ms': 50 }, context);
    expect(context.port.linkUp).toBe(false);
    const first = await hub.startQemu(netdev);
    await until(() => context.port.linkUp);
    expect(client.info()).toBe(`unix:${path}`);
    await hub.exchange(client, first.port, context.port.frames);
    await stop(first.qemu);
    await until(() => !context.port.linkUp);
    hub.received.length = 0;
    context.port.frames.length = 0;
    const second = await hub.startQemu(netdev);
    await until(() => context.port.linkUp);
    await hub.exchange(client, second.port, context.port.frames);
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
    const { qemu, port } = await hub.startQemu(`socket,id=n,connect=127.0.0.1:${tcp}`);
    await until(() => context.port.linkUp);
    await hub.exchange(listening, port, context.port.frames);
    await stop(qemu);
    await listening.close();

    const other = createRecordingContext(host);
    hub.received.length = 0;
    const server = await hub.startQemu(`socket,id=n,listen=127.0.0.1:${tcp}`);
    let connecting: NetClient | undefined;
    for (let tries = 0; (connecting === undefined || !other.port.linkUp) && tries < 200; tries++) {
      await connecting?.close();
      connecting = await createSocket({ connect: `127.0.0.1:${tcp}` }, other);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(connecting?.info()).toBe(`socket: connect to 127.0.0.1:${tcp}`);
    await hub.exchange(connecting as NetClient, server.port, other.port.frames);
    await connecting?.close();
  });

  it('socket udp, and dgram', async () => {
    const [ours, theirs] = [await freePort(), await freePort()];
    const udpNetdev = await createSocket({ udp: `127.0.0.1:${theirs}`, localaddr: `127.0.0.1:${ours}` }, context);
    const first = await hub.startQemu(`socket,id=n,udp=127.0.0.1:${ours},localaddr=127.0.0.1:${theirs}`);
    await hub.exchange(udpNetdev, first.port, context.port.frames);
    await stop(first.qemu);
    await udpNetdev.close();

    hub.received.length = 0;
    context.port.frames.length = 0;
    const inet = (port: number) => ({ type: 'inet', host: '127.0.0.1', port: String(port) }) as const;
    const client = await createDgram({ remote: inet(theirs), local: inet(ours) }, context);
    const end = (name: string, port: number): string => `${name}.type=inet,${name}.host=127.0.0.1,${name}.port=${port}`;
    const second = await hub.startQemu(`dgram,id=n,${end('local', theirs)},${end('remote', ours)}`);
    await hub.exchange(client, second.port, context.port.frames);
    await client.close();
  });

  it('socket mcast', async () => {
    const group = `230.7.7.8:${await freePort()}`;
    const client = await createSocket({ mcast: group, localaddr: '127.0.0.1' }, context);
    const { port } = await hub.startQemu(`socket,id=n,mcast=${group},localaddr=127.0.0.1`);
    // QEMU hears its own frames and sends them to the hub again, so the test's socket sees each of its own once more.
    const frames = context.port.frames;
    await until(() => {
      hub.udp.send(testFrame(60, 1), port, '127.0.0.1');
      return frames.length > 0;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    frames.length = hub.received.length = 0;
    expect(give(client, testFrame(1514, 2))).toBe(true);
    await until(() => hub.received.length === 1);
    expect(Buffer.compare(hub.received[0] as Buffer, testFrame(1514, 2))).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(frames).toEqual([]);
    expect(context.port.counters.dropped['own-echo']).toBe(1);
    await client.close();
  });

  it('socket mcast: QEMU and two yards on one machine all hear each other', async () => {
    const group = `230.7.7.9:${await freePort()}`;
    const second = createRecordingContext(host, 'n1');
    const options = { mcast: group, localaddr: '127.0.0.1' };
    const clients = [await createSocket(options, context), await createSocket(options, second)] as const;
    const { port } = await hub.startQemu(`socket,id=n,mcast=${group},localaddr=127.0.0.1`);
    const [one, two] = [context.port.frames, second.port.frames];
    await until(() => {
      hub.udp.send(testFrame(60, 1), port, '127.0.0.1');
      return one.length > 0 && two.length > 0;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    one.length = two.length = hub.received.length = 0;
    for (let i = 0; i < 200; i++) expect(give(clients[0], testFrame(60, i))).toBe(true);
    await until(() => two.length === 200 && hub.received.length === 200);
    expect(one).toEqual([]);
    // From QEMU's shared port, as every QEMU of this machine sends.
    hub.udp.send(testFrame(60, 3), port, '127.0.0.1');
    await until(() => one.length > 0 && two.length > 200);
    expect(one[0]).toEqual(testFrame(60, 3));
    await Promise.all(clients.map((client) => client.close()));
  });
});
