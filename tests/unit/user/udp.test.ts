/** UDP of the user network beyond the golden vectors: mapping, limits, timeouts, forwards, back-pressure. */
import { describe, expect, it } from 'vitest';
import { BUSY, TAKEN } from '../../../src/net/client.ts';
import type { DatagramSocket, InetAddress } from '../../../src/net/host.ts';
import { newBatch } from '../../../src/slirp/udp-sender.ts';
import * as w from '../../../src/wire/index.ts';
import { createWorld, echoServer, GUEST, HOST, icmpOf, udpFrame, udpOf, type World } from './world.ts';
import { worldPerTest } from './world-per-test.ts';

const open = worldPerTest();

/** A program that notes who wrote to it. */
async function peer(on: World, host: string, port: number) {
  const owner = [...on.test.network.hosts].find((machine) => machine.owns(host)) ?? on.test.network.local;
  const socket: DatagramSocket = await owner.sockets.datagram({ family: 'ipv4', bind: { family: 'ipv4', host, port } });
  const from: InetAddress[] = [];
  const texts: string[] = [];
  const batch = newBatch(new Uint8Array(65_536), 8);
  socket.onEvent = (event) => {
    if (event !== 'readable') return;
    const count = socket.receiveBatch(batch);
    for (let i = 0; i < count; i++) {
      from.push(batch.peer[i] as InetAddress);
      const at = batch.offset[i] ?? 0;
      texts.push(new TextDecoder().decode(batch.bytes.slice(at, at + (batch.length[i] ?? 0))));
    }
  };
  socket.interest(true, false);
  const send = (text: string, to: InetAddress): void => {
    const out = newBatch(new TextEncoder().encode(text), 1);
    out.length[0] = out.bytes.length;
    out.peer[0] = to;
    out.count = 1;
    socket.sendBatch(out);
  };
  return { from, texts, send, socket };
}

const NEIGHBOUR = 0xc6336402;

describe('mapping', () => {
  it('one guest port is one host port for every destination, and anybody may answer', async () => {
    const on = await open();
    const a = await peer(on, '198.51.100.2', 7001);
    const b = await peer(on, '198.51.100.2', 7002);
    const stranger = await peer(on, '198.51.100.2', 7003);
    await on.exchange(udpFrame(5000, 7001, 'one', { destination: NEIGHBOUR }));
    await on.exchange(udpFrame(5000, 7002, 'two', { destination: NEIGHBOUR }));
    await on.exchange(udpFrame(5000, 7001, 'three', { destination: NEIGHBOUR }));
    expect([a.texts, b.texts]).toEqual([['one', 'three'], ['two']]);
    const ports = new Set([...a.from, ...b.from].map((address) => address.port));
    expect(ports.size).toBe(1);
    stranger.send('hello', a.from[0] as InetAddress);
    await on.test.elapse(10);
    const [frame] = on.take();
    expect(udpOf(frame)).toMatchObject({ source: NEIGHBOUR, sourcePort: 7003, destinationPort: 5000, text: 'hello' });
  });

  it('a first destination that refuses is reported; a silent one is not', async () => {
    const on = await open();
    const [reply] = await on.exchange(udpFrame(5000, 7009, 'x', { destination: NEIGHBOUR }));
    expect(icmpOf(reply)).toMatchObject({ source: NEIGHBOUR, type: 3, code: 3 });
    await peer(on, '198.51.100.2', 7001);
    expect(await on.exchange(udpFrame(5001, 7001, 'x', { destination: NEIGHBOUR }))).toEqual([]);
  });

  it('datagrams sent while the socket opens are not lost, in order, up to a cap', async () => {
    const on = await open();
    const a = await peer(on, '198.51.100.2', 7001);
    for (let i = 0; i < 20; i++) on.give(udpFrame(5000, 7001, `${i}`, { destination: NEIGHBOUR }));
    await on.test.elapse(10);
    expect(a.texts).toEqual(Array.from({ length: 16 }, (_, i) => `${i}`));
    expect(on.client.usernet?.statistics()['drop.udp-opening']).toBe(4);
  });

  it('a socket that cannot be had drops the datagram and may be tried again', async () => {
    const on = await open();
    on.test.network.fail({ on: 'datagram', code: 'EMFILE', count: 1 });
    expect(await on.exchange(udpFrame(5000, 9000, 'x'))).toEqual([]);
    expect(on.client.usernet?.statistics()['drop.udp-socket-failed']).toBe(1);
    expect((await on.exchange(udpFrame(5000, 9000, 'x'))).length).toBe(1);
  });

  it('a scan that used up the sockets of the host gives way to the next endpoint, the longest unused flows first', async () => {
    const on = await open();
    for (let i = 0; i < 16; i++) await on.exchange(udpFrame(5000 + i, 9000, 'x'), 10);
    on.test.network.fail({ on: 'datagram', code: 'EMFILE', count: 1 });
    await on.exchange(udpFrame(6000, 9000, 'x'));
    const ports = on.client.usernet?.flows().map((flow) => flow.sourcePort);
    expect(ports).toEqual(Array.from({ length: 14 }, (_, i) => 5015 - i));
    expect(on.client.usernet?.statistics()['udp.flowsEvicted']).toBe(2);
    expect((await on.exchange(udpFrame(6000, 9000, 'x'))).length).toBe(1);
  });

  it('a socket that cannot be had takes all its flows along, also those that lead to one peer', async () => {
    const on = await open();
    on.test.network.fail({ on: 'datagram', code: 'EACCES', count: 1 });
    on.give(udpFrame(5000, 9000, 'x'));
    on.give(udpFrame(5000, 9000, 'x', { destination: 0xffffffff, destinationMac: 0xffffffffffff }));
    expect(on.client.usernet?.flows()).toHaveLength(2);
    await on.exchange(udpFrame(5001, 9000, 'y'));
    expect(on.client.usernet?.flows().map((flow) => flow.sourcePort)).toEqual([5001]);
    expect((await on.exchange(udpFrame(5000, 9000, 'x'))).length).toBe(1);
  });

  it('tries other ports when the picked one is taken', async () => {
    const on = await open();
    on.test.network.fail({ on: 'datagram', code: 'EADDRINUSE', count: 4 });
    expect((await on.exchange(udpFrame(5000, 9000, 'x'))).length).toBe(1);
  });
});

describe('life of a flow', () => {
  it('ends after 240 s of silence, after 10 s when port 53 has answered', async () => {
    const on = await open();
    await echoServer(on.test, '198.51.100.2', 53);
    await on.exchange(udpFrame(5000, 9000, 'x'), 1);
    await on.exchange(udpFrame(5001, 53, 'x', { destination: NEIGHBOUR }), 1);
    const count = (): number => on.client.usernet?.flows().length ?? 0;
    expect(count()).toBe(2);
    expect(on.client.usernet?.flows()[0]).toMatchObject({ protocol: 'udp', destinationPort: 53, state: '10 sec' });
    await on.test.elapse(16_000);
    expect(count()).toBe(1);
    await on.test.elapse(200_000);
    await on.exchange(udpFrame(5000, 9000, 'again'), 1);
    await on.test.elapse(200_000);
    expect(count()).toBe(1);
    await on.test.elapse(46_000);
    expect(count()).toBe(0);
    expect(on.client.usernet?.statistics()['udp.sockets']).toBe(0);
    expect(on.test.leaks()).toEqual([]);
  });

  it('the longest unused flow makes room of its port for the 6145th', { timeout: 60_000 }, async () => {
    const on = await open();
    for (let i = 0; i < 6152; i++) {
      on.give(udpFrame(1024 + (i % 4), 10_000 + (i >> 2), 'x', { destination: NEIGHBOUR }));
      if (i === 0) await on.test.settle();
    }
    const statistics = on.client.usernet?.statistics() ?? {};
    expect(statistics).toMatchObject({ 'udp.flows': 6144, 'udp.flowsEvicted': 8, 'udp.sockets': 4 });
  });
});

describe('forwards', () => {
  const forward = { hostfwd: [{ str: 'udp:127.0.0.1:7777-:777' }] };
  const client: InetAddress = { family: 'ipv4', host: '127.0.0.1', port: 7777 };

  it.each([
    ['open', {}],
    ['restricted', { restrict: true }],
  ])('%s: the guest sees the client and its answer goes back', async (_name, options) => {
    const on = await open({ ...forward, ...options });
    const program = await peer(on, '127.0.0.1', 6000);
    program.send('ping', client);
    await on.test.elapse(10);
    const [frame] = on.take();
    expect(udpOf(frame)).toMatchObject({
      source: HOST,
      sourcePort: 6000,
      destination: GUEST,
      destinationPort: 777,
      text: 'ping',
    });
    await on.exchange(udpFrame(777, 6000, 'pong'));
    expect(program.texts).toEqual(['pong']);
    expect(program.from[0]?.port).toBe(7777);
  });

  it('a client elsewhere keeps its address', async () => {
    const on = await open({ hostfwd: [{ str: 'udp::7777-:777' }] });
    const program = await peer(on, '198.51.100.2', 6000);
    program.send('ping', { family: 'ipv4', host: '198.51.100.1', port: 7777 });
    await on.test.elapse(10);
    expect(udpOf(on.take()[0])).toMatchObject({ source: NEIGHBOUR, sourcePort: 6000 });
  });

  it('listing, port 0, adding, removing, a port that is taken', async () => {
    const on = await open(forward);
    const { usernet } = on.client;
    const added = await usernet?.addForward('udp:127.0.0.1:0-10.0.2.16:53');
    expect(added?.hostPort).toBeGreaterThan(0);
    expect(usernet?.forwards()).toEqual([
      added,
      { protocol: 'udp', hostAddress: '127.0.0.1', hostPort: 7777, guestAddress: '10.0.2.15', guestPort: 777 },
    ]);
    await expect(usernet?.addForward('udp:127.0.0.1:7777-:1')).rejects.toThrow(
      "Could not set up host forwarding rule 'udp:127.0.0.1:7777-:1'",
    );
    expect(await usernet?.removeForward('udp::7777')).toBe(false);
    expect(await usernet?.removeForward('tcp:127.0.0.1:7777')).toBe(false);
    expect(await usernet?.removeForward('udp:127.0.0.1:7777')).toBe(true);
    expect(await usernet?.removeForward('udp:127.0.0.1:7777')).toBe(false);
    await usernet?.addForward('udp:127.0.0.1:7777-:1');
    await expect(usernet?.removeForward('udp:127.0.0.1')).rejects.toThrow('invalid format');
  });

  it('tcp: port 0 is reported, and the same port cannot be had twice', async () => {
    const on = await open({ hostfwd: [{ str: 'tcp:127.0.0.1:0-:22' }] });
    const { usernet } = on.client;
    const [first] = usernet?.forwards() ?? [];
    expect(first).toMatchObject({
      protocol: 'tcp',
      hostAddress: '127.0.0.1',
      guestAddress: '10.0.2.15',
      guestPort: 22,
    });
    expect(first?.hostPort).toBeGreaterThan(0);
    const rule = `tcp:127.0.0.1:${first?.hostPort}-:23`;
    await expect(usernet?.addForward(rule)).rejects.toThrow(`Could not set up host forwarding rule '${rule}'`);
    expect(await usernet?.removeForward(`tcp:127.0.0.1:${first?.hostPort}`)).toBe(true);
    expect(usernet?.forwards()).toEqual([]);
  });

  it('of two rules for one port the first written is blamed, and nothing stays open', async () => {
    let created: World | undefined;
    const options = { hostfwd: [{ str: 'udp:127.0.0.1:5-:1' }, { str: 'udp:127.0.0.1:5-:2' }] };
    const leaks: (() => string[])[] = [];
    await expect(
      createWorld(options, (test) => leaks.push(() => test.leaks())).then((w) => {
        created = w;
      }),
    ).rejects.toThrow("Could not set up host forwarding rule 'udp:127.0.0.1:5-:1'");
    expect(created).toBeUndefined();
    expect(leaks[0]?.()).toEqual([]);
  });
});

describe('back-pressure', () => {
  it('BUSY stops reading towards that guest, ready goes on', async () => {
    const on = await open();
    const a = await peer(on, '198.51.100.2', 7001);
    await on.exchange(udpFrame(5000, 7001, 'hi', { destination: NEIGHBOUR }));
    const to = a.from[0] as InetAddress;
    on.port.answer = BUSY;
    a.send('1', to);
    await on.test.elapse(1);
    expect(on.take().length).toBe(1);
    for (let i = 0; i < 5; i++) a.send(`${i + 2}`, to);
    await on.test.elapse(100);
    expect(on.take()).toEqual([]);
    on.port.release();
    expect(on.port.answer).toBe(TAKEN);
    await on.test.elapse(1);
    expect(on.take().map((frame) => udpOf(frame).text)).toEqual(['2', '3', '4', '5', '6']);
    expect(on.client.usernet?.statistics()['ip.busyAnswers']).toBe(1);
  });
});

describe('errors', () => {
  it('ttl 1 is answered for new and for known flows', async () => {
    const on = await open();
    for (let i = 0; i < 2; i++) {
      const [reply] = await on.exchange(udpFrame(5000, 9000, 'x', { ttl: 1 }));
      expect(icmpOf(reply)).toMatchObject({ source: HOST, type: w.ICMP_TIME_EXCEEDED, code: 0 });
      await on.exchange(udpFrame(5000, 9000, 'x'));
    }
  });

  it('ICMP errors are rate limited', async () => {
    const on = await open();
    for (let i = 0; i < 300; i++) on.give(udpFrame(5000, 9, 'x', { ttl: 1 }));
    expect(on.take().length).toBe(100);
    expect(on.client.usernet?.statistics()['drop.icmp-error-rate']).toBe(200);
  });

  it('TFTP is refused rather than passed to the host', async () => {
    const on = await open();
    const [reply] = await on.exchange(udpFrame(5000, 69, 'x'));
    expect(icmpOf(reply)).toMatchObject({ source: HOST, type: 3, code: 3 });
  });

  it('EHOSTUNREACH long after the send is host unreachable', async () => {
    const on = await open();
    await peer(on, '198.51.100.2', 7001);
    await on.exchange(udpFrame(5000, 7001, 'x', { destination: NEIGHBOUR }), 3000);
    for (const socket of on.test.network.local.datagrams) if (socket.peer?.port === 7001) socket.raise('EHOSTUNREACH');
    await on.test.elapse(1);
    expect(icmpOf(on.take()[0])).toMatchObject({ source: HOST, type: 3, code: 1 });
  });
});
