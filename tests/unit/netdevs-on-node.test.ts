/** stream and listener over real sockets: what the in-memory network cannot show. */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createListener, createSocket, createStream } from '../../src/netdevs/index.ts';
import { createNodeHost, type NodeHost } from '../../src/node/index.ts';
import { describeNative } from '../kit/native.ts';
import {
  createRecordingContext,
  digests,
  framed,
  give,
  type RecordingContext,
  testFrame,
} from '../kit/netdev-context.ts';
import { until } from '../kit/until.ts';

let host: NodeHost;
let directory: string;
let context: RecordingContext;

const prepare = (native: boolean) => (): void => {
  host = createNodeHost({ native });
  directory = mkdtempSync(join(tmpdir(), 'ny-netdev-'));
  context = createRecordingContext(host);
};

afterEach(async () => {
  await host.close();
  expect(host.openSockets).toBe(0);
  expect(host.counters.callbackErrors).toBe(0);
  rmSync(directory, { recursive: true });
});

describe("on Node's sockets", () => {
  beforeEach(prepare(false));
  netdevs();
});

describeNative('on the addon', () => {
  beforeEach(prepare(true));
  netdevs();
});

function netdevs(): void {
  it('multicast: a burst reaches the other member on this machine and does not come back', async () => {
    const other = createRecordingContext(host, 'n1');
    const group = { mcast: `230.7.7.9:${20_000 + (process.pid % 20_000)}`, localaddr: '127.0.0.1' };
    const a = await createSocket(group, context);
    const b = await createSocket(group, other);
    const echoes = (): number => context.port.counters.dropped['own-echo'] ?? 0;
    // The kernel may drop some of so many at once: a memory of 256 frames would still not do.
    for (let burst = 0; burst < 50 && (echoes() <= 300 || other.port.frames.length <= 300); burst++) {
      const had = other.port.frames.length;
      for (let i = 0; i < 400; i++) {
        while (!give(a, testFrame(60, i))) {
          const before = context.port.readyCalls;
          await until(() => context.port.readyCalls > before);
        }
      }
      await until(() => other.port.frames.length > had);
    }
    expect(echoes()).toBeGreaterThan(300);
    expect(other.port.frames.length).toBeGreaterThan(300);
    expect(context.port.frames).toEqual([]);
    expect(give(b, testFrame(60, 7))).toBe(true);
    await until(() => context.port.frames.length === 1);
    await Promise.all([a.close(), b.close()]);
  }, 20_000);

  it('listener: 0600, carries thousands of frames both ways, frees its path', async () => {
    const path = join(directory, 'l.sock');
    const client = await createListener({ addr: { type: 'unix', path } }, context);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const guest = net.connect({ path });
    const received: Buffer[] = [];
    guest.on('data', (bytes) => received.push(bytes));
    await until(() => context.children.size === 1);
    const child = [...context.children.values()][0]!;
    const sent = Array.from({ length: 3000 }, (_, i) => testFrame(60 + ((i * 37) % 1500), i));
    guest.write(framed(...sent));
    await until(() => child.port.frames.length === sent.length);
    expect(digests(child.port.frames)).toEqual(digests(sent));
    for (const frame of sent) {
      while (!give(child.client, frame)) {
        const before = child.port.readyCalls;
        await until(() => child.port.readyCalls > before);
      }
    }
    const bytes = framed(...sent);
    await until(() => received.reduce((sum, b) => sum + b.length, 0) === bytes.length);
    expect(digests([Buffer.concat(received)])).toEqual(digests([bytes]));
    await client.close();
    expect(existsSync(path)).toBe(false);
    guest.destroy();
  });

  it('listener: a stale socket is replaced, a live one and a file are not', async () => {
    const path = join(directory, 'l.sock');
    const first = await createListener({ addr: { type: 'unix', path } }, context);
    const text = `Failed to bind socket to ${path}: Address already in use`;
    await expect(createListener({ addr: { type: 'unix', path } }, context)).rejects.toThrow(text);
    await first.close();
    writeFileSync(path, '');
    await expect(createListener({ addr: { type: 'unix', path } }, context)).rejects.toThrow(text);
  });

  it('stream: client and server find each other over TCP, and the event has the peer', async () => {
    const other = createRecordingContext(host, 'n1');
    const server = await createStream(
      { addr: { type: 'inet', host: '127.0.0.1', port: '0', to: 0 }, server: true },
      context,
    );
    await server.close();
    const path = join(directory, 's.sock');
    const unixServer = await createStream({ addr: { type: 'unix', path }, server: true }, context);
    expect(unixServer.info()).toBe('listening');
    const client = await createStream({ addr: { type: 'unix', path }, 'reconnect-ms': 10 }, other);
    await until(() => context.port.linkUp && other.port.linkUp);
    expect(client.info()).toBe(`unix:${path}`);
    expect(give(client, testFrame(1514, 3))).toBe(true);
    await until(() => context.port.frames.length === 1);
    expect(context.port.frames).toEqual([testFrame(1514, 3)]);
    await unixServer.close();
    await until(() => client.info() === 'connecting' && !other.port.linkUp);
    const again = await createStream({ addr: { type: 'unix', path }, server: true }, context);
    await until(() => other.port.linkUp);
    expect(other.events.length).toBe(3);
    await client.close();
    await again.close();
  });
}
