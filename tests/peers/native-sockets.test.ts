/** Native sockets against a network: ICMP errors of a router, the path's MTU, echo requests. Needs root. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { DatagramSocket, Family, IcmpRecord } from '../../src/net/host.ts';
import { createNodeHost } from '../../src/node/index.ts';
import { describeNative } from '../kit/native.ts';
import { batchOf, contents, createBatch, NativeBench, numbered } from '../kit/native-host.ts';
import { describePeer } from '../kit/peers.ts';
import { until } from '../kit/until.ts';

/**
 * This machine (.1) - link - router (.2 | .1) - link with a small MTU - far host (.2). Names and networks carry the
 * process's number, so that several runs do not meet.
 */
const ID = process.pid % 250;
const ROUTER = `nyr${process.pid}`;
const FAR = `nyf${process.pid}`;
const NEAR4 = `198.18.${ID}`;
const FAR4 = `198.19.${ID}`;
const NEAR6 = `fd00:${ID.toString(16)}:1:`;
const FAR6 = `fd00:${ID.toString(16)}:2:`;
const PATH_MTU = 1300;

const ip = (...words: string[]): void => {
  execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] });
};
const sysctl = (namespace: string, setting: string): void => ip('netns', 'exec', namespace, 'sysctl', '-qw', setting);

/** Echo sockets are for the groups of this range: none on many machines. */
const PING_GROUPS = '/proc/sys/net/ipv4/ping_group_range';
let pingGroups = '';

function build(): void {
  pingGroups = readFileSync(PING_GROUPS, 'latin1');
  writeFileSync(PING_GROUPS, '0 2147483647');
  ip('netns', 'add', ROUTER);
  ip('netns', 'add', FAR);
  ip('link', 'add', `nyn${process.pid}`, 'type', 'veth', 'peer', 'name', 'near', 'netns', ROUTER);
  ip('-n', ROUTER, 'link', 'add', 'far', 'type', 'veth', 'peer', 'name', 'end0', 'netns', FAR);
  ip('addr', 'add', `${NEAR4}.1/24`, 'dev', `nyn${process.pid}`);
  ip('addr', 'add', `${NEAR6}:1/64`, 'dev', `nyn${process.pid}`, 'nodad');
  ip('link', 'set', `nyn${process.pid}`, 'up');
  for (const [namespace, device, four, six] of [
    [ROUTER, 'near', `${NEAR4}.2`, `${NEAR6}:2`],
    [ROUTER, 'far', `${FAR4}.1`, `${FAR6}:1`],
    [FAR, 'end0', `${FAR4}.2`, `${FAR6}:2`],
  ] as const) {
    ip('-n', namespace, 'addr', 'add', `${four}/24`, 'dev', device);
    ip('-n', namespace, 'addr', 'add', `${six}/64`, 'dev', device, 'nodad');
    if (device !== 'near') ip('-n', namespace, 'link', 'set', device, 'mtu', String(PATH_MTU));
    ip('-n', namespace, 'link', 'set', device, 'up');
  }
  sysctl(ROUTER, 'net.ipv4.ip_forward=1');
  sysctl(ROUTER, 'net.ipv6.conf.all.forwarding=1');
  // The far host answers each datagram to a closed port, not one a second.
  for (const namespace of [ROUTER, FAR]) sysctl(namespace, 'net.ipv4.icmp_ratelimit=0');
  ip('-n', FAR, 'route', 'add', 'default', 'via', `${FAR4}.1`);
  ip('-n', FAR, '-6', 'route', 'add', 'default', 'via', `${FAR6}:1`);
  ip('route', 'add', `${FAR4}.0/24`, 'via', `${NEAR4}.2`);
  ip('-6', 'route', 'add', `${FAR6}:/64`, 'via', `${NEAR6}:2`);
}

function remove(): void {
  if (pingGroups !== '') writeFileSync(PING_GROUPS, pingGroups);
  for (const namespace of [ROUTER, FAR]) {
    try {
      ip('netns', 'del', namespace);
    } catch {
      // It was not made.
    }
  }
}

const host = (family: Family, number: 'router' | 'far'): string => {
  if (family === 'ipv4') return number === 'router' ? `${NEAR4}.2` : `${FAR4}.2`;
  return number === 'router' ? `${NEAR6}:2` : `${FAR6}:2`;
};

async function nextError(socket: DatagramSocket): Promise<IcmpRecord> {
  const record: IcmpRecord = {
    type: 0,
    code: 0,
    mtu: 0,
    offender: undefined,
    destination: undefined,
    quoted: new Uint8Array(0),
  };
  let found = false;
  socket.onEvent = (event) => {
    if (event === 'error' && !found) found = socket.nextError?.(record) === true;
  };
  socket.interest(true, false);
  await until(() => found);
  socket.onEvent = () => {};
  return record;
}

describePeer('addresses of this machine', ['ip'], () => {
  // Node lists no address of such an interface, and a multicast datagram that leaves by it comes back all the same.
  it.each([true, false])('that of an interface without carrier is known (native: %s)', async (native) => {
    const name = `nyc${process.pid}`;
    ip('tuntap', 'add', name, 'mode', 'tap');
    await using host = createNodeHost({ native });
    try {
      ip('addr', 'add', `${NEAR4}.9/32`, 'dev', name);
      ip('link', 'set', name, 'up');
      expect(networkInterfaces()).not.toHaveProperty(name);
      expect(host.sockets.isOwnAddress(`${NEAR4}.9`)).toBe(true);
      expect(host.sockets.isOwnAddress(`${NEAR4}.10`)).toBe(false);
    } finally {
      ip('link', 'del', name);
    }
  });
});

describePeer('native sockets over a router', ['ip', 'sysctl'], () => {
  describeNative('with the addon', () => {
    let bench: NativeBench;

    beforeAll(() => {
      remove();
      build();
    });
    afterAll(remove);
    beforeEach(() => {
      bench = new NativeBench();
    });
    afterEach(() => bench.close());

    for (const family of ['ipv4', 'ipv6'] as const) {
      const to = () => ({ family, host: host(family, 'far'), port: 9 });
      const open = () =>
        bench.host.sockets.datagram({ family, bind: { family, host: family === 'ipv4' ? '0.0.0.0' : '::', port: 0 } });

      it(`${family}: a datagram whose hops are used up is told by the router`, async () => {
        const socket = await open();
        const batch = batchOf(to(), numbered(100));
        batch.ttl[0] = 1;
        expect(socket.sendBatch(batch)).toBe(1);
        const record = await nextError(socket);
        expect(record).toMatchObject({ type: family === 'ipv4' ? 11 : 3, code: 0, mtu: 0, destination: to() });
        expect(record.offender?.host).toBe(host(family, 'router'));
        const quoted = record.quoted.subarray(0, 20);
        expect(quoted).toEqual(numbered(20).subarray(0, quoted.length));
      });

      it(`${family}: a closed port is told by the far host`, async () => {
        const socket = await open();
        expect(socket.sendBatch(batchOf(to(), numbered(30)))).toBe(1);
        expect(await nextError(socket)).toMatchObject({
          type: family === 'ipv4' ? 3 : 1,
          code: family === 'ipv4' ? 3 : 4,
          offender: { host: host(family, 'far') },
          destination: to(),
        });
      });

      it(`${family}: the MTU of the path is told, first by the router, then by our own kernel`, async () => {
        const socket = await open();
        socket.connect(to());
        expect(socket.sendBatch(batchOf(undefined, numbered(1400)))).toBe(1);
        const first = await nextError(socket);
        expect(first).toMatchObject({ type: family === 'ipv4' ? 3 : 2, mtu: PATH_MTU });
        if (family === 'ipv4') expect(first.code).toBe(4);
        expect(first.offender?.host).toBe(host(family, 'router'));
      });

      it(`${family}: echo requests reach the far host, and their errors come back`, async () => {
        const socket = await bench.host.sockets.ping(family);
        const request = Uint8Array.of(family === 'ipv4' ? 8 : 128, 0, 0, 0, 0, 0, 0, 9, ...numbered(56));
        const target = { ...to(), port: 0 };
        const batch = batchOf(target, request, request);
        batch.ttl[1] = 1;
        expect(socket.sendBatch(batch)).toBe(2);
        const error = await nextError(socket);
        expect(error).toMatchObject({ type: family === 'ipv4' ? 11 : 3, code: 0 });
        expect(error.offender?.host).toBe(host(family, 'router'));
        const into = createBatch(4);
        await until(() => {
          socket.interest(true, false);
          return socket.receiveBatch(into) > 0;
        });
        const [reply] = contents(into);
        expect([reply?.[0], reply?.[7]]).toEqual([family === 'ipv4' ? 0 : 129, 9]);
        expect(reply?.subarray(8)).toEqual(numbered(56));
        expect(into.peer[0]).toMatchObject({ host: host(family, 'far') });
      });
    }

    it('raw IP carries another protocol, with the IPv4 header on the way in', async () => {
      const [a, b] = [
        await bench.host.sockets.datagram({
          family: 'ipv4',
          rawProtocol: 115,
          bind: { family: 'ipv4', host: `${NEAR4}.1`, port: 0 },
        }),
        await bench.host.sockets.datagram({ family: 'ipv4', rawProtocol: 115 }),
      ];
      expect(a.sendBatch(batchOf({ family: 'ipv4', host: `${NEAR4}.1`, port: 0 }, numbered(40)))).toBe(1);
      const into = createBatch(4);
      await until(() => {
        b.interest(true, false);
        return b.receiveBatch(into) === 1;
      });
      const [packet] = contents(into);
      expect([packet?.length, packet?.[9]]).toEqual([60, 115]);
      expect(packet?.subarray(20)).toEqual(numbered(40));
    });
  });
});
