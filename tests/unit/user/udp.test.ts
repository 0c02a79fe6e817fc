/** UDP of the user network beyond the golden vectors: mapping, limits, timeouts, forwards, back-pressure. */
import { describe, expect, it } from 'vitest';
import { BUSY, TAKEN } from '../../../src/net/client.ts';
import type { DatagramSocket, IcmpRecord, InetAddress } from '../../../src/net/host.ts';
import { newBatch } from '../../../src/slirp/udp-sender.ts';
import * as w from '../../../src/wire/index.ts';
import { createWorld, echoServer, GUEST, HOST, icmpOf, ipv4Frame, udpFrame, udpOf, type World } from './world.ts';
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

  it('an answer may come from another port or another address than the guest wrote to', async () => {
    const on = await open();
    on.test.network.addHost('203.0.113.20');
    const transfer = await peer(on, '198.51.100.2', 50_069);
    const server = await peer(on, '198.51.100.2', 69);
    const relay = await peer(on, '203.0.113.20', 3478);
    await on.exchange(udpFrame(5000, 69, 'read', { destination: NEIGHBOUR }));
    const to = server.from[0] as InetAddress;
    transfer.send('block 1', to);
    relay.send('punched', to);
    await on.test.elapse(10);
    expect(on.take().map((frame) => udpOf(frame))).toMatchObject([
      { source: NEIGHBOUR, sourcePort: 50_069, destinationPort: 5000, text: 'block 1' },
      { source: 0xcb007114, sourcePort: 3478, destinationPort: 5000, text: 'punched' },
    ]);
    await on.exchange(udpFrame(5000, 50_069, 'ack', { destination: NEIGHBOUR }));
    expect([transfer.texts, transfer.from]).toEqual([['ack'], server.from]);
  });

  it('a send that the host refuses is told about its own datagram, not about the next one', async () => {
    const on = await open();
    const a = await peer(on, '198.51.100.2', 7001);
    const send = (text: string, destination: number): void => on.give(udpFrame(5000, 7001, text, { destination }));
    send('first', NEIGHBOUR);
    await on.test.elapse(10);
    on.test.network.fail({ on: 'send', host: '203.0.113.77', code: 'ENETUNREACH' });
    send('refused', 0xcb00714d);
    send('second', NEIGHBOUR);
    await on.test.elapse(10);
    expect(a.texts).toEqual(['first', 'second']);
    const told = on.take().map(icmpOf);
    expect(told).toMatchObject([{ type: 3, code: 0 }]);
    expect(new TextDecoder().decode(told[0]?.quote.subarray(28))).toBe('refused');
  });

  it("a flow goes on when the host's address and route have changed, and when it began offline", async () => {
    const on = await open();
    const a = await peer(on, '198.51.100.2', 7001);
    const send = (text: string) => on.exchange(udpFrame(5000, 7001, text, { destination: NEIGHBOUR }));
    on.test.network.fail({ on: 'send', code: 'ENETUNREACH', count: 1 });
    const [told] = await send('offline');
    expect(icmpOf(told)).toMatchObject({ source: HOST, type: 3, code: 0 });
    await send('one');
    Object.assign(on.test.network.local, { addresses: ['198.51.100.77', '2001:db8:0:1::1'] });
    await send('two');
    expect(a.texts).toEqual(['one', 'two']);
    expect(a.from.map(({ host }) => host)).toEqual(['198.51.100.1', '198.51.100.77']);
    a.send('answer', a.from[1] as InetAddress);
    await on.test.elapse(10);
    expect(udpOf(on.take()[0]).text).toBe('answer');
  });

  it('a destination that refuses is reported where the host queues ICMP errors; a silent one is not', async () => {
    const on = await open();
    expect(await on.exchange(udpFrame(4999, 7009, 'x', { destination: NEIGHBOUR }))).toEqual([]);
    on.test.network.local.icmp = true;
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

  it('the answer leaves from the address that the client wrote to last, while the host has it', async () => {
    const on = await open({ hostfwd: [{ str: 'udp::7777-:777' }] });
    const { local } = on.test.network;
    Object.assign(local, { addresses: ['198.51.100.1', '198.51.100.11'] });
    const client = await peer(on, '198.51.100.2', 6000);
    const ask = async (host: string): Promise<void> => {
      client.send('ping', { family: 'ipv4', host, port: 7777 });
      await on.test.elapse(10);
      await on.exchange(udpFrame(777, 6000, 'pong', { destination: NEIGHBOUR }));
    };
    await ask('198.51.100.11');
    await ask('198.51.100.1');
    await ask('198.51.100.11');
    Object.assign(local, { addresses: ['198.51.100.1'] });
    for (let i = 0; i < 2; i++) await on.exchange(udpFrame(777, 6000, 'pong', { destination: NEIGHBOUR }));
    const from = client.from.map(({ host, port }) => `${host}:${port}`);
    expect(from).toEqual(['.11', '.1', '.11', '.1'].map((end) => `198.51.100${end}:7777`));
  });

  describe('a closed port of the guest', () => {
    const withRights = async () => {
      const on = await open({ hostfwd: [{ str: 'udp::7777-:777' }], restrict: true });
      for (const host of on.test.network.hosts) host.icmp = true;
      const told: Partial<IcmpRecord>[] = [];
      const client = await peer(on, '198.51.100.2', 6000);
      const take = client.socket.onEvent;
      client.socket.onEvent = (event) => {
        const record = {
          type: 0,
          code: 0,
          mtu: 0,
          offender: undefined,
          destination: undefined,
          quoted: new Uint8Array(0),
        };
        if (event !== 'error') take(event);
        else while (client.socket.nextError?.(record) === true) told.push({ ...record });
      };
      const to = { family: 'ipv4', host: '198.51.100.1', port: 7777 } as const;
      client.send('ping', to);
      await on.test.elapse(10);
      return { on, told, to, asked: on.take()[0] as Uint8Array };
    };
    /** What the guest's kernel answers. */
    const refusal = (asked: Uint8Array, code = 3): Uint8Array => {
      const icmp = new Uint8Array(8 + 28);
      icmp.set(asked.subarray(14, 14 + 28), 8);
      w.emitIcmp(icmp, 0, 3, code, 0, 28);
      return ipv4Frame(w.PROTOCOL_ICMP, icmp, { destination: NEIGHBOUR });
    };

    it('is told to the client, as one of the host', async () => {
      const { on, told, to, asked } = await withRights();
      expect(await on.exchange(refusal(asked))).toEqual([]);
      expect(told).toMatchObject([{ type: 3, code: 3, offender: { ...to, port: 0 }, destination: to }]);
      on.give(refusal(asked, 13));
      await on.test.elapse(10);
      expect(told[1]).toMatchObject({ type: 3, code: 13 });
      expect(on.client.usernet?.statistics()['udp.refusalsToHost']).toBe(2);
    });

    it('is nothing where no client wrote to a forward, at a limited rate, and not of other kinds', async () => {
      const { on, told, asked } = await withRights();
      const changed = (at: number, to: number): Uint8Array => {
        const bytes = asked.slice();
        bytes[at] = to;
        return refusal(bytes);
      };
      // Another source port, another guest's address, another protocol; no such kind of error; a cut quotation.
      const wrong = [changed(35, 9), changed(33, 9), changed(23, 6), refusal(asked, 4), refusal(asked, 1)];
      for (const frame of wrong) on.give(frame);
      on.give(ipv4Frame(w.PROTOCOL_ICMP, refusal(asked).slice(34, 50), { destination: NEIGHBOUR }));
      await on.test.elapse(10);
      expect(told).toEqual([]);
      for (let i = 0; i < 100; i++) on.give(refusal(asked));
      await on.test.elapse(10);
      expect(told.length).toBeGreaterThan(10);
      expect(told.length).toBeLessThanOrEqual(20);
      expect(on.client.usernet?.statistics()['drop.udp-refusal-rate']).toBe(80);
    });

    it('is not told where the host has no right, and that is said once', async () => {
      const { on, told, asked } = await withRights();
      on.test.network.local.icmp = false;
      for (let i = 0; i < 3; i++) await on.exchange(refusal(asked));
      expect(told).toEqual([]);
      expect(on.client.usernet?.statistics()['drop.udp-refusal-untold']).toBe(3);
      expect(on.test.logs.filter(({ message }) => message.includes('closed ports'))).toHaveLength(1);
    });
  });

  it("clients in the guests' network are shown as the host, each under a port of its own", async () => {
    const on = await open({ hostfwd: [{ str: 'udp::7777-:777' }] });
    on.test.network.addHost('10.0.2.50');
    on.test.network.addHost('10.0.2.51');
    const [a, b] = [await peer(on, '10.0.2.50', 6000), await peer(on, '10.0.2.51', 6000)];
    for (const text of ['one', 'two']) {
      a.send(`a ${text}`, { family: 'ipv4', host: '198.51.100.1', port: 7777 });
      b.send(`b ${text}`, { family: 'ipv4', host: '198.51.100.1', port: 7777 });
    }
    await on.test.elapse(10);
    const seen = on.take().map((frame) => udpOf(frame));
    expect(seen.map(({ source }) => source)).toEqual([HOST, HOST, HOST, HOST]);
    const portOf = (text: string): number | undefined => seen.find((datagram) => datagram.text === text)?.sourcePort;
    expect([portOf('a one'), portOf('a two')]).toEqual([6000, 6000]);
    expect(portOf('b one')).not.toBe(6000);
    expect(portOf('b two')).toBe(portOf('b one'));
    await on.exchange(udpFrame(777, 6000, 'to a'));
    await on.exchange(udpFrame(777, portOf('b one') as number, 'to b'));
    expect([a.texts, b.texts]).toEqual([['to a'], ['to b']]);
  });

  it("tcp: a client in the guests' network is shown as the host", async () => {
    const on = await open({ hostfwd: [{ str: 'tcp::8081-:8080' }] });
    const client = on.test.network.addHost('10.0.2.50').sockets.connect({
      family: 'ipv4',
      host: '198.51.100.1',
      port: 8081,
    });
    await on.test.elapse(10);
    const [syn] = on.take();
    expect(w.parseIpv4(syn ?? new Uint8Array(0), 14, syn?.length ?? 0)).toMatchObject({ protocol: 6, source: HOST });
    client.reset();
    await on.test.elapse(10);
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

  it.each([
    [
      'udp:127.0.0.1:7777-:1',
      'EADDRINUSE',
      'udp port 7777 is in use on 127.0.0.1: by another program, or another forward',
    ],
    ['tcp:192.0.2.7:7778-:1', 'EADDRNOTAVAIL', 'this host has no address 192.0.2.7'],
    ['udp::80-:80', 'EACCES', expect.stringMatching(/^udp port 80 needs a right: .*CAP_NET_BIND_SERVICE/)],
    ['tcp::8080-:80', 'EACCES', 'no right to use tcp port 8080'],
    ['tcp::8081-:80', 'EMFILE', 'tcp port 8081: Too many open files'],
  ])('%s: %s is explained behind the text, in the log and for programs', async (rule, errno, reason) => {
    const on = await open(forward);
    const port = Number(rule.split(':')[2]?.split('-')[0]);
    if (port !== 7777 && port !== 7778) {
      for (const call of ['listen', 'datagram'] as const) on.test.network.fail({ on: call, code: errno, port });
    }
    const message = `Could not set up host forwarding rule '${rule}'`;
    const refused = on.client.usernet?.addForward(rule);
    await expect(refused).rejects.toMatchObject({ message, hint: reason, data: { errno, reason } });
    expect(on.test.logs).toContainEqual({ level: 'warn', message, fields: { netdev: 'u0', reason } });
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
});
