/** `user` on the real core: two guests on its switch, link state, deletion in the middle of traffic, accounts. */
import { afterEach, describe, expect, it } from 'vitest';
import { DROPPED, type NetClient } from '../../../src/net/client.ts';
import { type Endpoint, Network } from '../../../src/net/index.ts';
import { createUserNetdev } from '../../../src/netdevs/user/index.ts';
import type { NetdevUserOptions } from '../../../src/schema/net.ts';
import * as w from '../../../src/wire/index.ts';
import { createTestHost, type TestHost } from '../../kit/host.ts';
import { createRecordingContext } from '../../kit/netdev-context.ts';
import { openProbe, type Probe, plainFrame, unaccounted } from '../../kit/probe.ts';
import { announce, dhcpFrame, echoServer, GUEST, GUEST_MAC, ipv4Frame, udpFrame, udpOf, withoutArp } from './world.ts';

const SECOND_MAC = 0x525400123457;

interface Setup {
  test: TestHost;
  network: Network;
  user: Endpoint;
  client: NetClient;
  a: Probe;
  b: Probe;
}

let made: Setup | undefined;

async function setUp(options: NetdevUserOptions = {}): Promise<Setup> {
  const test = createTestHost();
  const network = new Network({ host: test.host, switch: true });
  const user = network.open('u0', 'user', { isNetdev: true });
  const context = createRecordingContext(test.host, 'u0');
  const client = await createUserNetdev(options, { ...context, port: user as never });
  user.attach(client);
  network.autoSwitch(user);
  const a = openProbe(network, 'a');
  const b = openProbe(network, 'b');
  network.autoSwitch(a.endpoint);
  network.autoSwitch(b.endpoint);
  await test.settle();
  made = { test, network, user, client, a, b };
  return made;
}

afterEach(async () => {
  if (made === undefined) return;
  const { test, network, user, client } = made;
  made = undefined;
  network.remove(user);
  await client.close();
  network.close();
  await test.settle();
  expect(test.leaks()).toEqual([]);
});

const send = (probe: Probe, frame: Uint8Array): number => probe.endpoint.send(plainFrame(frame));

describe('addresses of its own', () => {
  const GATEWAY = 0x0a000202;
  const NAME_SERVER = 0x0a000203;
  const claim = (address: number, operation: number): Uint8Array => {
    const bytes = new Uint8Array(42);
    w.emitEthernet(bytes, 0, operation === w.ARP_REPLY ? GUEST_MAC : 0xffffffffffff, SECOND_MAC, w.ETHERTYPE_ARP);
    w.emitArp(bytes, 14, {
      operation,
      senderMac: SECOND_MAC,
      senderAddress: address,
      targetMac: operation === w.ARP_REPLY ? GUEST_MAC : 0,
      targetAddress: operation === w.ARP_REPLY ? GUEST : address,
    });
    return bytes;
  };

  it('cannot be claimed by a guest, and are still told by the network itself', async () => {
    const { test, a, b } = await setUp();
    send(a, announce(GUEST_MAC, GUEST));
    a.frames.length = 0;
    for (const address of [GATEWAY, NAME_SERVER]) {
      for (const operation of [w.ARP_REQUEST, w.ARP_REPLY]) expect(send(b, claim(address, operation))).toBe(DROPPED);
    }
    await test.elapse(10);
    expect(a.frames).toEqual([]);
    expect(b.endpoint.counters.dropped).toEqual({ 'claimed-address': 4 });
    // An address that nobody of the yard has is the guests' own affair.
    send(b, claim(GUEST + 1, w.ARP_REPLY));
    expect(a.frames.length).toBe(1);
    a.frames.length = 0;
    const question = new Uint8Array(42);
    w.emitEthernet(question, 0, 0xffffffffffff, GUEST_MAC, w.ETHERTYPE_ARP);
    w.emitArp(question, 14, {
      operation: w.ARP_REQUEST,
      senderMac: GUEST_MAC,
      senderAddress: GUEST,
      targetMac: 0,
      targetAddress: GATEWAY,
    });
    send(a, question);
    await test.elapse(10);
    expect(a.frames.map((frame) => w.arpSenderAddress(frame, 14))).toEqual([GATEWAY]);
  });

  it('are free again when the network is gone, and for a port that is trusted', async () => {
    const { network, user, client, a, b } = await setUp();
    send(a, announce(GUEST_MAC, GUEST));
    const trusted = openProbe(network, 't', 'stream', undefined, true);
    network.autoSwitch(trusted.endpoint);
    a.frames.length = 0;
    send(trusted, claim(GATEWAY, w.ARP_REPLY));
    expect(a.frames.length).toBe(1);
    network.remove(user);
    await client.close();
    send(b, claim(GATEWAY, w.ARP_REPLY));
    expect(a.frames.length).toBe(2);
  });
});

describe('user on the core', () => {
  it('two guests get two leases, and each its own answers', async () => {
    const { test, a, b } = await setUp();
    await echoServer(test, '127.0.0.1', 9000);
    send(a, dhcpFrame(GUEST_MAC, w.DHCP_REQUEST));
    send(b, dhcpFrame(SECOND_MAC, w.DHCP_REQUEST));
    await test.elapse(100);
    const addresses = [a, b].map((probe, i) => {
      // DHCP answers are broadcasts: each guest sees both.
      const frames = withoutArp(probe.frames)
        .map(udpOf)
        .filter(({ data }) => w.dhcpClientMac(data, 0) === GUEST_MAC + i);
      return frames.map(({ data }) => w.dhcpYourAddress(data, 0));
    });
    expect(addresses).toEqual([[GUEST], [GUEST + 1]]);
    a.frames.length = 0;
    b.frames.length = 0;
    send(a, udpFrame(5000, 9000, 'from a'));
    send(b, udpFrame(5000, 9000, 'from b', { source: GUEST + 1, mac: SECOND_MAC }));
    await test.elapse(10);
    expect(a.frames.map((frame) => udpOf(frame).text)).toEqual(['R:from a']);
    expect(b.frames.map((frame) => udpOf(frame).text)).toEqual(['R:from b']);
  });

  it('its addresses are known to the switch before it ever sent: nothing is flooded to the other guest', async () => {
    const { test, a, b } = await setUp();
    send(a, announce());
    await test.settle();
    b.frames.length = 0;
    send(a, ipv4Frame(w.PROTOCOL_ICMP, echoRequest()));
    await test.elapse(10);
    expect(a.frames.length).toBe(1);
    expect(b.frames).toEqual([]);
  });

  it('set_link off drops both ways while sockets live on; on again traffic goes on', async () => {
    const { test, network, a } = await setUp();
    await echoServer(test, '127.0.0.1', 9000);
    send(a, announce());
    send(a, udpFrame(5000, 9000, '1'));
    await test.elapse(10);
    expect(a.frames.length).toBe(1);
    network.setLink('u0', false);
    await test.settle();
    send(a, udpFrame(5000, 9000, '2'));
    await test.elapse(10);
    expect(a.frames.length).toBe(1);
    network.setLink('u0', true);
    await test.settle();
    expect(a.frames.length).toBe(1);
    send(a, udpFrame(5000, 9000, '3'));
    await test.elapse(10);
    expect(a.frames.map((frame) => udpOf(frame).text)).toEqual(['R:1', 'R:3']);
  });

  it('deleted in the middle of traffic it leaves nothing', async () => {
    const { test, network, user, client, a } = await setUp({
      hostfwd: [{ str: 'udp:127.0.0.1:0-:1' }, { str: 'tcp::0-:2' }],
    });
    await echoServer(test, '127.0.0.1', 9000);
    send(a, announce());
    for (let i = 0; i < 50; i++) send(a, udpFrame(5000 + i, 9000, 'x'));
    network.remove(user);
    await Promise.all([client.close(), client.close(), test.settle()]);
    expect(test.leaks()).toEqual([]);
    const answered = a.frames.length;
    send(a, udpFrame(5000, 9000, 'x'));
    await test.elapse(1000);
    expect(a.frames.length).toBe(answered);
  });

  it('accounts for every frame on its wire', async () => {
    const { test, network, user } = await setUp();
    await echoServer(test, '127.0.0.1', 9000);
    const nic = openProbe(network, 'nic', 'nic');
    network.wire(nic.endpoint, user);
    send(nic, announce());
    for (let i = 0; i < 300; i++) {
      if (i % 50 === 10) nic.blocked = true;
      if (i % 50 === 40) nic.release();
      if (i % 100 === 60) network.setLink('u0', false);
      if (i % 100 === 90) network.setLink('u0', true);
      const sent = send(nic, i % 3 === 0 ? new Uint8Array(60).fill(i) : udpFrame(5000 + (i % 5), 9000, `${i}`));
      if (i % 100 >= 60 && i % 100 < 90) expect(sent).toBe(DROPPED);
      if (i % 4 === 0) await test.settle();
      expect(unaccounted(nic.endpoint, user)).toBe(0);
      expect(unaccounted(user, nic.endpoint)).toBe(0);
    }
    nic.release();
    await test.elapse(100);
    expect(nic.frames.length).toBeGreaterThan(50);
    expect(unaccounted(user, nic.endpoint)).toBe(0);
  });

  it('info as QEMU prints it', async () => {
    const { user } = await setUp({ restrict: true, net: '10.9.0.0/16' });
    expect(user.client?.info()).toBe('net=10.9.0.0,restrict=on');
    expect(user.client?.usernet?.addresses).toEqual({
      network: '10.9.0.0/16',
      host: '10.9.2.2',
      dns: '10.9.2.3',
      dhcpStart: '10.9.2.15',
    });
  });
});

function echoRequest(): Uint8Array {
  const icmp = new Uint8Array(16);
  w.emitIcmp(icmp, 0, w.ICMP_ECHO_REQUEST, 0, 0x0001_0001, 8);
  return icmp;
}
