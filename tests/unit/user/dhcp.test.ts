/** DHCP for many guests: whose an address is, who is there, what a restart changes, and what one bad guest can take. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetClient } from '../../../src/net/client.ts';
import { Network } from '../../../src/net/index.ts';
import { createUserNetdev } from '../../../src/netdevs/user/index.ts';
import { WRITE_DELAY_MS } from '../../../src/netdevs/user/lease-file.ts';
import { QapiError } from '../../../src/qapi/index.ts';
import type { NetdevUserOptions } from '../../../src/schema/net.ts';
import { BROADCAST_BURST } from '../../../src/slirp/broadcast-budget.ts';
import { DECLINE_MS, LEASE_SECONDS, MAX_POOL, QUIET_MS, RETURN_MS } from '../../../src/slirp/lease-table.ts';
import * as w from '../../../src/wire/index.ts';
import { createTestHost, type TestHost } from '../../kit/host.ts';
import { hostError } from '../../kit/memory/errors.ts';
import { createRecordingContext } from '../../kit/netdev-context.ts';
import { openProbe, type Probe, plainFrame } from '../../kit/probe.ts';
import { announce, arpFrame, dhcpFrame, GUEST, HOST, HOST_MAC, udpOf, withoutArp } from './world.ts';

const FILE = '/state/u0-10.0.2.0-255.255.255.0.leases';
const MAC = 0x525400000000;

/** What a DHCP client sees: the kind of the answer and the address. */
interface Answer {
  readonly type: number;
  readonly address: number;
  readonly data: Uint8Array;
}

/** A yard with a switch; each guest has a port of its own. */
class Yard {
  readonly test: TestHost;
  readonly network: Network;
  readonly #guests: Probe[] = [];
  #client: NetClient | undefined;

  constructor(test: TestHost, isSwitched = true) {
    this.test = test;
    this.network = new Network({ host: test.host, switch: isSwitched });
  }

  get client(): NetClient {
    if (this.#client === undefined) throw new TypeError('not started');
    return this.#client;
  }

  async start(options: NetdevUserOptions = {}, stateDirectory?: string): Promise<this> {
    const user = this.network.open('u0', 'user', { isNetdev: true });
    const context = createRecordingContext(this.test.host, 'u0');
    const isSwitched = this.network.switch !== undefined;
    this.#client = await createUserNetdev(options, { ...context, port: user as never, isSwitched, stateDirectory });
    user.attach(this.#client);
    this.network.autoSwitch(user);
    return this;
  }

  guest(): Guest {
    const probe = openProbe(this.network, `g${this.#guests.length}`);
    this.network.autoSwitch(probe.endpoint);
    this.#guests.push(probe);
    return new Guest(this, probe);
  }

  leases(): string[] {
    return (this.client.usernet?.leases() ?? []).map(({ address, mac }) => `${address} ${mac.slice(-2)}`);
  }

  dropped(reason: string): number {
    return this.client.usernet?.statistics()[`drop.${reason}`] ?? 0;
  }

  logged(text: string): number {
    return this.test.logs.filter(({ message }) => message.startsWith(text)).length;
  }

  async stop(): Promise<void> {
    for (const client of this.network.clients()) this.network.remove(client);
    await this.#client?.close();
    this.network.close();
    await this.test.settle();
    expect(this.test.leaks()).toEqual([]);
  }
}

/** One port of the yard, and whoever is behind it. */
class Guest {
  readonly #yard: Yard;
  readonly #probe: Probe;
  /** Address to Ethernet address of those that answer ARP. */
  readonly #answering = new Map<number, number>();

  constructor(yard: Yard, probe: Probe) {
    this.#yard = yard;
    this.#probe = probe;
    probe.onReceive = (frame) => {
      const at = frame.offset + 14;
      if (w.ethernetType(frame.bytes, frame.offset) !== w.ETHERTYPE_ARP) return;
      if (w.arpOperation(frame.bytes, at) !== w.ARP_REQUEST) return;
      const target = w.arpTargetAddress(frame.bytes, at);
      const mac = this.#answering.get(target);
      if (mac !== undefined) this.send(arpFrame(w.ARP_REPLY, mac, target, HOST, HOST_MAC, HOST_MAC));
    };
  }

  /** Is there with this address from now on, and says nothing unless asked. */
  answersFor(address: number, mac: number): void {
    this.#answering.set(address, mac);
  }

  falls(): void {
    this.#answering.clear();
  }

  send(frame: Uint8Array): void {
    this.#probe.endpoint.send(plainFrame(frame));
  }

  /** The ARP questions of the gateway since then. */
  questions(): number[] {
    const asked = this.#probe.frames.filter(
      (frame) => w.ethernetType(frame, 0) === w.ETHERTYPE_ARP && w.arpOperation(frame, 14) === w.ARP_REQUEST,
    );
    return asked.map((frame) => w.arpTargetAddress(frame, 14));
  }

  async ask(mac: number, type: number, options: Parameters<typeof dhcpFrame>[2] = {}, ms = 100): Promise<Answer[]> {
    this.#probe.frames.length = 0;
    this.send(dhcpFrame(mac, type, options));
    await this.#yard.test.elapse(ms);
    return withoutArp(this.#probe.frames)
      .filter((frame) => udpOf(frame).sourcePort === 67)
      .map((frame) => udpOf(frame).data)
      .filter((data) => w.dhcpClientMac(data, 0) === mac)
      .map((data) => {
        const message = w.parseDhcp(data, 0, data.length);
        if (typeof message === 'string') throw new TypeError(message);
        return { type: message.messageType, address: message.yourAddress, data };
      });
  }

  /** What the server said to anybody since then. */
  heard(): w.DhcpRepr[] {
    const data = withoutArp(this.#probe.frames.splice(0)).map((frame) => udpOf(frame));
    return data
      .filter(({ sourcePort }) => sourcePort === 67)
      .map((udp) => w.parseDhcp(udp.data, 0, udp.data.length))
      .filter((message) => typeof message !== 'string');
  }

  /** DISCOVER and REQUEST; 0 = got none. */
  async lease(mac: number, options: Parameters<typeof dhcpFrame>[2] = {}): Promise<number> {
    const [offer] = await this.ask(mac, w.DHCP_DISCOVER, options);
    if (offer === undefined) return 0;
    const [ack] = await this.ask(mac, w.DHCP_REQUEST, { ...options, requested: offer.address, server: HOST });
    return ack?.type === w.DHCP_ACK ? ack.address : 0;
  }

  /** The port closes. */
  leave(): void {
    this.#yard.network.remove(this.#probe.endpoint);
  }
}

let test: TestHost;
let yard: Yard;
beforeEach(() => {
  test = createTestHost();
});
afterEach(() => yard.stop());

const open = async (options?: NetdevUserOptions, state?: string): Promise<Yard> => {
  yard = await new Yard(test).start(options, state);
  return yard;
};

describe('an address that a neighbour has', () => {
  it('is not offered: the table knows it, and nobody is asked', async () => {
    await open();
    const a = yard.guest();
    const b = yard.guest();
    a.send(arpFrame(w.ARP_REQUEST, MAC + 1, GUEST, HOST));
    await test.elapse(10);
    const [offer] = await b.ask(MAC + 2, w.DHCP_DISCOVER, {}, 100);
    expect(offer).toMatchObject({ type: w.DHCP_OFFER, address: GUEST + 1 });
    expect(b.questions()).toEqual([GUEST + 1]);
    const [refused] = await b.ask(MAC + 2, w.DHCP_REQUEST, { requested: GUEST });
    expect(refused?.type).toBe(w.DHCP_NAK);
  });

  it('is not offered: it is asked for once, and a silent one is known as free from then on', async () => {
    await open();
    const a = yard.guest();
    const b = yard.guest();
    a.answersFor(GUEST, MAC + 1);
    const [offer] = await b.ask(MAC + 2, w.DHCP_DISCOVER, {}, 150);
    expect([offer?.address, b.questions()]).toEqual([GUEST + 1, [GUEST, GUEST + 1]]);
    // Chosen elsewhere: the next client gets it without a question, at once.
    await b.ask(MAC + 2, w.DHCP_REQUEST, { requested: GUEST + 1, server: HOST + 0x100 });
    const [next] = await b.ask(MAC + 3, w.DHCP_DISCOVER, { requested: GUEST + 1 }, 1);
    expect([next?.address, b.questions()]).toEqual([GUEST + 1, []]);
  });

  it('waits for no answer longer than 50 ms, and a repeated question gets one answer', async () => {
    await open();
    const a = yard.guest();
    expect(await a.ask(MAC + 1, w.DHCP_DISCOVER, {}, 40)).toEqual([]);
    expect(await a.ask(MAC + 1, w.DHCP_DISCOVER, {}, 9)).toEqual([]);
    const answers = await a.ask(MAC + 2, w.DHCP_DISCOVER, {}, 60);
    expect(answers.map(({ address }) => address)).toEqual([GUEST + 1]);
    expect(yard.leases()).toEqual([]);
  });

  it('is refused when its holder answers after the offer', async () => {
    await open();
    const a = yard.guest();
    const b = yard.guest();
    const [offer] = await b.ask(MAC + 2, w.DHCP_DISCOVER);
    expect(offer?.address).toBe(GUEST);
    await test.elapse(1000);
    b.leave();
    a.send(arpFrame(w.ARP_REPLY, MAC + 1, GUEST, HOST, HOST_MAC));
    const c = yard.guest();
    await test.elapse(1000);
    const [answer] = await c.ask(MAC + 2, w.DHCP_REQUEST, { requested: GUEST, server: HOST });
    expect(answer?.type).toBe(w.DHCP_NAK);
  });

  it('is not lent for a while after a DECLINE of its owner, and of nobody else', async () => {
    await open({ 'dhcp-pool': 2 });
    const a = yard.guest();
    const b = yard.guest();
    await a.ask(MAC + 1, w.DHCP_DISCOVER);
    await b.ask(MAC + 1, w.DHCP_DECLINE, { requested: GUEST, server: HOST });
    await b.ask(MAC + 2, w.DHCP_DECLINE, { requested: GUEST, server: HOST });
    expect(yard.dropped('dhcp-decline-stranger')).toBe(2);
    await a.ask(MAC + 1, w.DHCP_DECLINE, { requested: GUEST, server: HOST });
    expect(await a.lease(MAC + 1)).toBe(GUEST + 1);
    expect(await b.lease(MAC + 2)).toBe(0);
    await test.elapse(DECLINE_MS);
    expect(await b.lease(MAC + 2)).toBe(GUEST);
  });
});

describe('the pool', () => {
  it('is the network from dhcpstart on, for the guests of a switch', async () => {
    await open({ dhcpstart: '10.0.2.200' });
    const given = new Set<number>();
    for (let i = 0; i < 60; i++) given.add(await yard.guest().lease(MAC + i));
    expect([Math.min(...[...given].filter((a) => a !== 0)) & 255, Math.max(...given) & 255]).toEqual([200, 254]);
    // 55 addresses; those who come last got none.
    expect([given.size, yard.leases().length]).toEqual([56, 55]);
    expect(yard.logged('no address is left to lend')).toBe(1);
  });

  it("has QEMU's 16 without a switch, and what dhcp-pool says with and without", async () => {
    for (const [isSwitched, pool, expected] of [
      [false, undefined, 16],
      [false, 20, 20],
      [true, 3, 3],
    ] as const) {
      yard = await new Yard(createTestHost(), isSwitched).start({ 'dhcp-pool': pool, net: '10.0.2.0/24' });
      const { usernet } = yard.client;
      const frame = (i: number) => dhcpFrame(MAC + i, w.DHCP_REQUEST, { requested: GUEST + i });
      const port = isSwitched ? undefined : yard.network.clients()[0];
      expect(usernet).toBeDefined();
      if (port === undefined) {
        for (let i = 0; i < 5; i++) await yard.guest().lease(MAC + i);
      } else {
        for (let i = 0; i < 25; i++) yard.client.receive(plainFrame(frame(i)));
        await yard.test.elapse(100);
      }
      expect(yard.leases().length).toBe(expected);
      if (expected !== 3) await yard.stop();
    }
  });

  it('takes dhcp-pool within its bounds', async () => {
    await open();
    for (const pool of [0, MAX_POOL + 1]) {
      const started = new Yard(createTestHost()).start({ 'dhcp-pool': pool });
      await expect(started).rejects.toThrow(new QapiError(`'dhcp-pool' must be between 1 and ${MAX_POOL}`));
    }
  });

  it('lends the 17th boot of a day an address: those whose port is gone give way, if nobody answers there', async () => {
    await open({ 'dhcp-pool': 16 });
    for (let i = 0; i < 16; i++) {
      const guest = yard.guest();
      expect(await guest.lease(MAC + i)).toBe(GUEST + i);
      guest.leave();
      await test.elapse(1000);
    }
    // The first one came back by another port; it has not said anything yet.
    const back = yard.guest();
    back.answersFor(GUEST, MAC);
    expect(await yard.guest().lease(MAC + 17)).toBe(GUEST + 1);
    expect(await yard.guest().lease(MAC + 18)).toBe(GUEST + 2);
    expect(await back.lease(MAC)).toBe(GUEST);
  });

  it('lends an address of a port that is still there again, when its guest is silent', async () => {
    await open({ 'dhcp-pool': 4 });
    const port = yard.guest();
    for (let i = 0; i < 3; i++) {
      expect(await port.lease(MAC + i)).toBe(GUEST + i);
      port.answersFor(GUEST + i, MAC + i);
    }
    // A port has three quarters at most: the next guest behind it has to wait until one of them is gone.
    await test.elapse(QUIET_MS);
    expect(await port.lease(MAC + 3)).toBe(0);
    port.falls();
    await test.elapse(QUIET_MS);
    expect(await port.lease(MAC + 3)).toBe(GUEST);
    expect(await yard.guest().lease(MAC + 4)).toBe(GUEST + 3);
  });

  it('of one address goes from guest to guest', async () => {
    await open({ 'dhcp-pool': 1 });
    expect(await yard.guest().lease(MAC + 1)).toBe(GUEST);
    expect(await yard.guest().lease(MAC + 2)).toBe(0);
    await test.elapse(QUIET_MS);
    expect(await yard.guest().lease(MAC + 2)).toBe(GUEST);
  });

  it('is not used up by one guest that answers for every address', async () => {
    await open({ 'dhcp-pool': 16 });
    const bad = yard.guest();
    for (let i = 0; i < 16; i++) {
      bad.answersFor(GUEST + i, MAC + 0x1000 + i);
      bad.send(announce(MAC + 0x1000 + i, GUEST + i));
    }
    await test.elapse(10);
    const given = new Set<number>();
    for (let i = 0; i < 4; i++) given.add(await yard.guest().lease(MAC + i));
    expect([given.size, given.has(0)]).toEqual([4, false]);
    // Its own it has as before, also by DHCP.
    expect(await bad.lease(MAC + 0x1000)).toBe(GUEST);
  });

  it('is not used up by one guest that invents others, nor do those lose their leases', async () => {
    await open({ 'dhcp-pool': 16 });
    const good = yard.guest();
    expect(await good.lease(MAC + 1)).toBe(GUEST);
    const bad = yard.guest();
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 400; i++) {
        const mac = MAC + 0x1000 + i;
        bad.send(dhcpFrame(mac, w.DHCP_DISCOVER));
        bad.send(dhcpFrame(mac, w.DHCP_REQUEST, { requested: GUEST + (i % 16) }));
        bad.send(dhcpFrame(mac, w.DHCP_DECLINE, { requested: GUEST + (i % 16) }));
        if (i % 100 === 0) await test.elapse(60);
      }
      await test.elapse(QUIET_MS);
    }
    expect(yard.leases()).toContain(`10.0.2.15 01`);
    expect(await yard.guest().lease(MAC + 2)).not.toBe(0);
    const [renewed] = await good.ask(MAC + 1, w.DHCP_REQUEST, { client: GUEST, destination: HOST });
    expect(renewed?.type).toBe(w.DHCP_ACK);
  });
});

describe('many at once', () => {
  const flooded = (): number =>
    yard.network.switch?.ports().find(({ name }) => name === 'u0')?.floodedFrames ?? Number.NaN;

  const boot = async (guests: readonly Guest[], everyMs: number): Promise<void> => {
    const macs = guests.map((_, i) => MAC + i);
    for (const [i, guest] of guests.entries()) {
      guest.send(dhcpFrame(MAC + i, w.DHCP_DISCOVER));
      if (everyMs > 0) await test.elapse(everyMs);
    }
    await test.elapse(100);
    const offers = new Map(guests[0]?.heard().map(({ clientMac, yourAddress }) => [clientMac, yourAddress]));
    for (const [i, mac] of macs.entries()) {
      guests[i]?.send(dhcpFrame(mac, w.DHCP_REQUEST, { requested: offers.get(mac) ?? 0, server: HOST }));
      if (everyMs > 0) await test.elapse(everyMs);
    }
    await test.elapse(100);
    expect(guests[0]?.heard().filter(({ messageType }) => messageType === w.DHCP_ACK).length).toBe(guests.length);
  };

  it('guests have their leases: 60 at ports of their own, 100 behind one', async () => {
    await open();
    await boot(
      Array.from({ length: 60 }, () => yard.guest()),
      2,
    );
    expect(yard.leases().length).toBe(60);
    await yard.stop();
    await open();
    const bridge = yard.guest();
    yard.guest();
    await boot(
      Array.from({ length: 100 }, () => bridge),
      0,
    );
    expect([yard.leases().length, yard.dropped('broadcast-limit')]).toEqual([100, 0]);
  });

  it.each([
    ['DISCOVERs', (i: number) => dhcpFrame(MAC + 0x1000 + (i % 100), w.DHCP_DISCOVER, { destination: HOST })],
    ['refused REQUESTs', () => dhcpFrame(MAC + 0x1000, w.DHCP_REQUEST, { requested: 1, destination: HOST })],
    ['questions from a group address', () => arpFrame(w.ARP_REQUEST, 0x010000000001, GUEST + 9, HOST)],
  ])('%s of one port reach the others only so often, and take nothing from them', async (_, message) => {
    await open();
    const other = yard.guest();
    const bad = yard.guest();
    for (let i = 0; i < 20; i++) await other.lease(MAC + i);
    other.heard();
    const before = flooded();
    for (let i = 0; i < 5000; i++) {
      bad.send(message(i));
      if (i % 500 === 0) await test.elapse(60);
    }
    expect(flooded() - before).toBeLessThan(BROADCAST_BURST + 100);
    expect(await yard.guest().lease(MAC + 100)).not.toBe(0);
  });

  it('a client that asks by two ports is answered by the first, and uses up no share', async () => {
    await open({ net: '10.0.0.0/16', 'dhcp-pool': 1000 });
    const a = yard.guest();
    const b = yard.guest();
    for (let i = 0; i < 250; i++) {
      a.send(dhcpFrame(MAC + i, w.DHCP_DISCOVER));
      b.send(dhcpFrame(MAC + i, w.DHCP_DISCOVER));
      await test.elapse(100);
    }
    expect([yard.dropped('dhcp-asking-limit'), yard.dropped('dhcp-client-elsewhere')]).toEqual([0, 250]);
    expect(a.heard().length).toBe(250);
  });
});

describe('whose a lease is', () => {
  it('a claim from elsewhere does not take what goes to its address', async () => {
    await open();
    const a = yard.guest();
    const b = yard.guest();
    await a.lease(MAC + 1);
    a.answersFor(GUEST, MAC + 1);
    b.answersFor(GUEST, MAC + 2);
    for (let i = 0; i < 5; i++) b.send(announce(MAC + 2, GUEST));
    await test.elapse(2000);
    expect(yard.dropped('neighbour-claim')).toBeGreaterThanOrEqual(5);
    expect(yard.logged('a guest claims the address of another one')).toBe(1);
    const [renewed] = await a.ask(MAC + 1, w.DHCP_REQUEST, { client: GUEST, destination: HOST });
    expect(renewed?.type).toBe(w.DHCP_ACK);
    a.leave();
    b.send(announce(MAC + 2, GUEST));
    await test.elapse(10);
    const [refused] = await yard.guest().ask(MAC + 1, w.DHCP_REQUEST, { requested: GUEST });
    expect(refused?.type).toBe(w.DHCP_NAK);
  });

  it('its Ethernet address at another port takes nothing while its guest answers, and all of it afterwards', async () => {
    await open();
    const a = yard.guest();
    const b = yard.guest();
    await a.lease(MAC + 1);
    a.answersFor(GUEST, MAC + 1);
    expect(await b.lease(MAC + 1)).toBe(0);
    b.send(dhcpFrame(MAC + 1, w.DHCP_RELEASE, { client: GUEST, destination: HOST }));
    await test.elapse(10);
    expect([yard.leases(), yard.dropped('dhcp-client-elsewhere')]).toEqual([['10.0.2.15 01'], 1]);
    a.falls();
    await test.elapse(2000);
    expect(await b.lease(MAC + 1)).toBe(GUEST);
  });

  it('moves with its guest to another port, once the old one is silent', async () => {
    await open();
    const a = yard.guest();
    await a.lease(MAC + 1);
    const b = yard.guest();
    b.answersFor(GUEST, MAC + 1);
    b.send(announce(MAC + 1, GUEST));
    await test.elapse(1000);
    a.send(dhcpFrame(MAC + 1, w.DHCP_RELEASE, { client: GUEST, destination: HOST }));
    await test.elapse(10);
    expect([yard.leases(), yard.dropped('dhcp-release-stranger')]).toEqual([['10.0.2.15 01'], 1]);
    b.send(dhcpFrame(MAC + 1, w.DHCP_RELEASE, { client: GUEST, destination: HOST }));
    await test.elapse(10);
    expect([yard.leases(), yard.dropped('dhcp-release-stranger')]).toEqual([[], 1]);
  });

  it('clients of one Ethernet address are told apart by their identifiers, which come back in every answer', async () => {
    await open();
    const a = yard.guest();
    const first = { identifier: [255, 1, 2, 3] };
    const second = { identifier: [255, 9] };
    expect([await a.lease(MAC + 1, first), await a.lease(MAC + 1, second)]).toEqual([GUEST, GUEST + 1]);
    expect(await a.lease(MAC + 1, first)).toBe(GUEST);
    // A boot loader that gives none, or the Ethernet address again, and then the system with one: the same client.
    expect(await a.lease(MAC + 2, { identifier: [1, 0x52, 0x54, 0, 0, 0, 2] })).toBe(GUEST + 2);
    expect(await a.lease(MAC + 2)).toBe(GUEST + 2);
    expect(await a.lease(MAC + 2, { identifier: [0, 7] })).toBe(GUEST + 2);
    for (const [type, options] of [
      [w.DHCP_DISCOVER, {}],
      [w.DHCP_REQUEST, { requested: GUEST }],
      [w.DHCP_REQUEST, { requested: GUEST + 1 }],
      [w.DHCP_INFORM, {}],
    ] as const) {
      const [answer] = await a.ask(MAC + 1, type, { ...first, ...options });
      const { data } = answer ?? { data: new Uint8Array(0) };
      const at = w.findDhcpOption(data, 0, data.length, w.DHCP_OPTION.clientId);
      expect(Array.from(data.subarray(at + 1, at + 1 + (data[at] ?? 0)))).toEqual(first.identifier);
    }
  });

  it('an identifier keeps its address when its Ethernet address changes and the old port is gone', async () => {
    await open();
    const a = yard.guest();
    const identity = { identifier: [255, 1, 2, 3] };
    await a.lease(MAC + 1, identity);
    expect(await yard.guest().lease(MAC + 2, identity)).toBe(GUEST + 1);
    a.leave();
    expect(await yard.guest().lease(MAC + 3, identity)).toBe(GUEST);
  });

  it('a lease is told once', async () => {
    await open();
    const a = yard.guest();
    await a.lease(MAC + 1, { hostname: 'box' });
    for (let i = 0; i < 3; i++) {
      await a.ask(MAC + 1, w.DHCP_REQUEST, { client: GUEST, destination: HOST, hostname: 'box' });
    }
    expect(test.logs.filter(({ level }) => level === 'info')).toEqual([
      {
        level: 'info',
        message: 'an address is lent',
        fields: { netdev: 'u0', port: 'g0', address: '10.0.2.15', mac: '52:54:00:00:00:01', hostname: 'box' },
      },
    ]);
    for (let i = 2; i < 500; i++) {
      a.send(dhcpFrame(MAC + i, w.DHCP_REQUEST, { requested: GUEST + 1 }));
      if (i === 2) await test.elapse(100);
      a.send(dhcpFrame(MAC + i, w.DHCP_RELEASE, { client: GUEST + 1, destination: HOST }));
    }
    await test.settle();
    expect(yard.logged('an address is lent')).toBeGreaterThan(200);
    expect(yard.logged('an address is lent')).toBeLessThan(300);
    // What one port used up, another still has.
    const before = yard.logged('an address is lent');
    await yard.guest().lease(MAC + 600);
    expect(yard.logged('an address is lent')).toBe(before + 1);
  });
});

describe('after a restart', () => {
  const restart = async (options?: NetdevUserOptions, state?: string): Promise<void> => {
    await yard.stop();
    await open(options, state);
  };

  it('a sleep of eight hours ends no lease', async () => {
    await open();
    const guest = yard.guest();
    const address = await guest.lease(MAC + 1);
    test.loop.jump(test.loop.now() + 8 * 3_600_000);
    await test.settle();
    expect(yard.leases()).toHaveLength(1);
    const other = yard.guest();
    expect(await other.lease(MAC + 2)).not.toBe(address);
    const [renewed] = await guest.ask(MAC + 1, w.DHCP_REQUEST, { client: address });
    expect([renewed?.type, renewed?.address]).toEqual([w.DHCP_ACK, address]);
  });

  it('a named yard has its leases again: nobody else gets them, their owners renew at once', async () => {
    await open({}, '/state');
    await yard.guest().lease(MAC + 1, { hostname: 'box' });
    await yard.guest().lease(MAC + 2, { identifier: [255, 1] });
    await test.elapse(3_600_000);
    await restart({}, '/state');
    expect(yard.leases()).toEqual(['10.0.2.15 01', '10.0.2.16 02']);
    expect(yard.client.usernet?.leases()[0]).toMatchObject({ hostname: 'box', expiresIn: LEASE_SECONDS - 3600 });
    expect(await yard.guest().lease(MAC + 3)).toBe(GUEST + 2);
    const back = yard.guest();
    const [ack] = await back.ask(MAC + 1, w.DHCP_REQUEST, { client: GUEST, destination: HOST }, 1);
    expect([ack?.type, ack?.address, back.questions()]).toEqual([w.DHCP_ACK, GUEST, []]);
    // By another netdev or network they are nobody's.
    await restart({ net: '10.0.3.0/24' }, '/state');
    expect(yard.leases()).toEqual([]);
  });

  it('a yard without a name keeps nothing, and asks before it lends what a living guest has', async () => {
    await open();
    const c = yard.guest();
    await c.lease(MAC + 1);
    await restart();
    expect([...test.files.keys()]).toEqual([]);
    const back = yard.guest();
    back.answersFor(GUEST, MAC + 1);
    expect(await yard.guest().lease(MAC + 2)).toBe(GUEST + 1);
    const [ack] = await back.ask(MAC + 1, w.DHCP_REQUEST, { client: GUEST, destination: HOST });
    expect([ack?.type, ack?.address]).toEqual([w.DHCP_ACK, GUEST]);
    // Nor does a stranger get it by asking for it by name.
    await restart();
    const again = yard.guest();
    again.answersFor(GUEST, MAC + 1);
    const [nak] = await yard.guest().ask(MAC + 9, w.DHCP_REQUEST, { client: GUEST, destination: HOST });
    expect(nak?.type).toBe(w.DHCP_NAK);
  });

  it('a lease belongs to the port that its guest is heard at again', async () => {
    await open({}, '/state');
    await yard.guest().lease(MAC + 1);
    await restart({}, '/state');
    const back = yard.guest();
    back.answersFor(GUEST, MAC + 1);
    back.send(arpFrame(w.ARP_REQUEST, MAC + 1, GUEST, HOST));
    await test.elapse(10);
    yard.guest().send(dhcpFrame(MAC + 1, w.DHCP_RELEASE, { client: GUEST, destination: HOST }));
    await test.elapse(10);
    expect([yard.leases(), yard.dropped('dhcp-release-stranger')]).toEqual([['10.0.2.15 01'], 1]);
  });

  it('a pool full of leases of guests that do not come back lends the one that was renewed longest ago', async () => {
    await open({ 'dhcp-pool': 4 }, '/state');
    for (let i = 0; i < 4; i++) {
      await test.elapse(10_000);
      await yard.guest().lease(MAC + i);
    }
    await yard.guest().ask(MAC, w.DHCP_REQUEST, { client: GUEST, destination: HOST });
    await restart({ 'dhcp-pool': 4 }, '/state');
    const late = yard.guest();
    expect(await late.lease(MAC + 9)).toBe(0);
    await test.elapse(RETURN_MS);
    // The second one is there all the same.
    yard.guest().answersFor(GUEST + 1, MAC + 1);
    expect(await late.lease(MAC + 9)).toBe(GUEST + 2);
  });

  it('leases that ended meanwhile are not restored', async () => {
    await open({}, '/state');
    await yard.guest().lease(MAC + 1);
    await yard.stop();
    await test.elapse(LEASE_SECONDS * 1000);
    await open({}, '/state');
    expect(yard.leases()).toEqual([]);
  });
});

describe('the file of leases', () => {
  const HEAD = 'netyard leases 1 10.0.2.0/255.255.255.0\n';
  const put = (text: string): void => void test.files.set(FILE, new TextEncoder().encode(text));
  const content = (path = FILE): string => new TextDecoder().decode(test.files.get(path));

  it('is written half a second after a change, once for many, and at the end', async () => {
    await open({}, '/state');
    const a = yard.guest();
    await a.lease(MAC + 1);
    await yard.guest().lease(MAC + 2, { identifier: [255, 1], hostname: 'a b' });
    expect(test.files.size).toBe(0);
    await test.elapse(500);
    const ends = Math.round(test.clock.wallMicros() / 1e6) + LEASE_SECONDS;
    const lines = content().split('\n');
    expect(lines[0]).toBe(HEAD.trim());
    expect(lines[1]).toMatch(/^10\.0\.2\.15 52:54:00:00:00:01 \d+ - $/);
    expect(lines[2]).toMatch(/^10\.0\.2\.16 52:54:00:00:00:02 \d+ ff01 a b$/);
    expect(Math.abs(Number(lines[1]?.split(' ')[2]) - ends)).toBeLessThan(5);
    a.send(dhcpFrame(MAC + 1, w.DHCP_RELEASE, { client: GUEST, destination: HOST }));
    await test.settle();
    await yard.stop();
    expect(content().split('\n').length).toBe(3);
    await open();
  });

  it.each(['the next change', 'the end'])('is written with %s when it could not be', async (when) => {
    await open({}, '/state');
    const { files } = test.host;
    const write = files.write.bind(files);
    let tries = 0;
    files.write = async () => {
      tries++;
      throw hostError('ENOSPC');
    };
    const a = yard.guest();
    await a.lease(MAC + 1);
    await test.elapse(10_000);
    expect([tries, yard.logged('Could not write leases file')]).toEqual([1, 1]);
    files.write = write;
    if (when === 'the end') await yard.stop();
    else {
      await yard.guest().lease(MAC + 2);
      await test.elapse(WRITE_DELAY_MS);
    }
    expect(content()).toContain('10.0.2.15 52:54:00:00:00:01');
    if (when === 'the end') await open();
  });

  it('leases=FILE is read and written, by whatever yard', async () => {
    await open({ leases: '/elsewhere' });
    await yard.guest().lease(MAC + 1);
    await yard.stop();
    expect(content('/elsewhere')).toContain('10.0.2.15 52:54:00:00:00:01');
    await open({ leases: '/elsewhere' }, '/state');
    expect([yard.leases(), [...test.files.keys()]]).toEqual([['10.0.2.15 01'], ['/elsewhere']]);
  });

  it.each([
    ['something else', 'root:x:0:0\n'],
    ['empty first line', '\n'],
    ['another network', 'netyard leases 1 10.9.9.0/255.255.255.0\n'],
    ['a line that is no lease', `${HEAD}hello\n`],
    ['a cut line', `${HEAD}10.0.2.15 52:54:00:00:00:01 99999999999 - box`],
    ['an address with leading zeros', `${HEAD}010.0.2.15 52:54:00:00:00:01 9999999999 - box\n`],
    ['a group address', `${HEAD}10.0.2.15 01:54:00:00:00:01 9999999999 - box\n`],
    ['a bad identifier', `${HEAD}10.0.2.15 52:54:00:00:00:01 9999999999 xyz box\n`],
    ['control characters', `${HEAD}10.0.2.15 52:54:00:00:00:01 9999999999 - b\u001b[2J\n`],
    ['an address twice', `${HEAD}${'10.0.2.15 52:54:00:00:00:01 9999999999 - a\n'.repeat(2)}`],
    ['an end that is no number', `${HEAD}10.0.2.15 52:54:00:00:00:01 1e9 - box\n`],
    ['too many lines', HEAD + Array.from({ length: MAX_POOL + 1 }, (_, i) => line(i)).join('')],
    ['too many bytes', HEAD + 'x'.repeat(8 * 1024 * 1024)],
  ])('with %s it is refused, said and left as it is', async (_, text) => {
    put(text);
    await open({}, '/state');
    await yard.guest().lease(MAC + 9);
    expect(yard.leases()).toEqual(['10.0.2.15 09']);
    expect(test.logs.filter(({ level }) => level === 'warn').map(({ message }) => message.includes(FILE))).toEqual([
      true,
    ]);
    await yard.stop();
    expect(content() === text).toBe(true);
    await open();
  });

  it('keeps what is in the pool, and a lease no longer than one is', async () => {
    put(`${HEAD}${line(1)}10.0.2.17 52:54:00:00:00:05 99999999999 - box\n`);
    await open({}, '/state');
    expect(yard.client.usernet?.leases()).toMatchObject([{ address: '10.0.2.17', expiresIn: LEASE_SECONDS }]);
  });
});

/** A line for the i-th address of 10.0.0.0/8. */
function line(i: number): string {
  const mac = (MAC + i).toString(16).match(/../g)?.join(':');
  return `10.0.${i >> 8}.${i & 255} ${mac} 99999999999 - x\n`;
}
