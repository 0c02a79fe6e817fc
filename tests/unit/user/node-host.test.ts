/** The user network on Node's own sockets: what the in-memory network cannot show about them. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { NetClient } from '../../../src/net/client.ts';
import { Frame } from '../../../src/net/frame.ts';
import { createUserNetdev } from '../../../src/netdevs/user/index.ts';
import { createNodeHost, type NodeHost } from '../../../src/node/index.ts';
import { ipv4Destination, PROTOCOL_TCP, PROTOCOL_UDP, TCP_ACK, TCP_SYN, tcpFlags } from '../../../src/wire/index.ts';
import { describeNative } from '../../kit/native.ts';
import { createRecordingContext } from '../../kit/netdev-context.ts';
import { announce, CheckingPort, GUEST, HOST, icmpOf, tcpSegment, udpFrame, udpOf } from './world.ts';

let host: NodeHost;
let port: CheckingPort;
let client: NetClient;
const servers: dgram.Socket[] = [];
/** Real sockets on a busy machine. */
const PATIENCE = { timeout: 10_000, interval: 5 };

async function server(): Promise<{ port: number; from: dgram.RemoteInfo[]; socket: dgram.Socket }> {
  const socket = dgram.createSocket('udp4');
  const from: dgram.RemoteInfo[] = [];
  socket.on('message', (bytes, source) => {
    from.push(source);
    socket.send(Buffer.concat([Buffer.from('R:'), bytes]), source.port, source.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  servers.push(socket);
  return { port: socket.address().port, from, socket };
}

beforeEach(async () => {
  host = createNodeHost();
  port = new CheckingPort('u0');
  const options = { hostfwd: [{ str: 'udp:127.0.0.1:0-:777' }] };
  client = await createUserNetdev(options, { ...createRecordingContext(host, 'u0'), port });
  give(announce());
});

afterEach(async () => {
  await client.close();
  for (const socket of servers.splice(0)) socket.close();
});

function give(bytes: Uint8Array, ingress = 0): void {
  const frame = new Frame().setPlain(bytes, 0, bytes.length);
  frame.ingress = ingress;
  client.receive(frame);
}

const answer = (): Promise<Uint8Array> =>
  vi.waitFor(() => {
    const frame = port.frames.shift();
    if (frame === undefined) throw new RangeError('no frame yet');
    return frame;
  }, PATIENCE);

describe('user on Node', () => {
  it('one guest port keeps its host port when a second destination appears', async () => {
    const a = await server();
    const b = await server();
    give(udpFrame(5000, a.port, '1'));
    expect(udpOf(await answer()).text).toBe('R:1');
    give(udpFrame(5000, b.port, '2'));
    expect(udpOf(await answer())).toMatchObject({ text: 'R:2', source: HOST, sourcePort: b.port });
    give(udpFrame(5000, a.port, '3'));
    expect(udpOf(await answer())).toMatchObject({ text: 'R:3', sourcePort: a.port });
    expect(new Set([...a.from, ...b.from].map((source) => source.port)).size).toBe(1);
  });

  // Node's own sockets hear of it only when they are connected.
  describeNative('natively', () => {
    it('a refusal of the kernel becomes ICMP port unreachable', async () => {
      const a = await server();
      a.socket.close();
      servers.pop();
      await once(a.socket, 'close');
      give(udpFrame(5000, a.port, 'x'));
      expect(icmpOf(await answer())).toMatchObject({ source: HOST, type: 3, code: 3 });
    });
  });

  it('a UDP forward carries both ways, and its port is free after close', async () => {
    const forward = client.usernet?.forwards()[0];
    const a = await server();
    a.socket.removeAllListeners('message');
    a.socket.send('ping', forward?.hostPort ?? 0, '127.0.0.1');
    const frame = udpOf(await answer());
    expect(frame).toMatchObject({ source: HOST, sourcePort: a.port, destinationPort: 777, text: 'ping' });
    const back = once(a.socket, 'message');
    give(udpFrame(777, a.port, 'pong'));
    expect(String((await back)[0])).toBe('pong');
    await client.close();
    const again = dgram.createSocket('udp4');
    again.bind(forward?.hostPort ?? 0, '127.0.0.1');
    await once(again, 'listening');
    again.close();
  });

  it('a port that has opened all the UDP sockets that it can leaves descriptors for another one', async () => {
    await client.close();
    host = createNodeHost({ descriptorLimit: () => 64 });
    client = await createUserNetdev({}, { ...createRecordingContext(host, 'u0'), port });
    const a = await server();
    const tcp = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    try {
      await once(tcp, 'listening');
      give(announce());
      for (let i = 0; i < 100; i++) give(udpFrame(5000 + i, a.port, 'x', { source: GUEST + 1 }), 2);
      const opened = () => client.usernet?.statistics()['udp.sockets'];
      await vi.waitFor(() => expect(new Set(a.from.map((from) => from.port)).size).toBeGreaterThan(20), PATIENCE);
      expect(opened()).toBeLessThan(30);
      port.frames.length = 0;
      give(udpFrame(5000, a.port, 'mine'), 1);
      give(tcpSegment([5000, (tcp.address() as AddressInfo).port], TCP_SYN), 1);
      await vi.waitFor(() => {
        const got = port.frames.filter((frame) => ipv4Destination(frame, 14) === GUEST);
        expect(got.filter((frame) => frame[23] === PROTOCOL_UDP).map((frame) => udpOf(frame).text)).toEqual(['R:mine']);
        const [connected] = got.filter((frame) => frame[23] === PROTOCOL_TCP);
        expect(tcpFlags(connected as Uint8Array, 34)).toBe(TCP_SYN | TCP_ACK);
      }, PATIENCE);
    } finally {
      tcp.close();
    }
  });

  it('large datagrams pass in fragments', async () => {
    const a = await server();
    // The stack takes frames longer than any MTU (a jumbo frame, or a receiver that merged them).
    give(udpFrame(5000, a.port, new Uint8Array(8000).fill(7)));
    await answer();
    await vi.waitFor(() => expect(port.frames.length).toBe(5), PATIENCE);
    const lengths = port.frames.map((frame) => frame.length);
    expect(lengths).toEqual([1514, 1514, 1514, 1514, 34 + 8010 - 5 * 1480]);
  });
});
