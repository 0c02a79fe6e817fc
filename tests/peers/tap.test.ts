/** tap against the kernel: frames whole, several queues, who may open what, and interfaces that go away. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Endpoint, Frame, Network, ProtectedAddresses } from '../../src/net/index.ts';
import { createTap, createUserNetdev } from '../../src/netdevs/index.ts';
import { createDevice } from '../../src/netdevs/tap/index.ts';
import { createNodeHost, type NodeHost } from '../../src/node/index.ts';
import type { NetdevTapOptions } from '../../src/schema/net.ts';
import { PROGRAM } from '../kit/guest/daemon.ts';
import type { LogLine } from '../kit/host.ts';
import { ip, isRoot, TestNamespace, uniqueName } from '../kit/namespace.ts';
import { describeNative } from '../kit/native.ts';
import { describePeer } from '../kit/peers.ts';
import { openProbe } from '../kit/probe.ts';
import { until } from '../kit/until.ts';

const NO_SCRIPTS = { script: 'no', downscript: 'no' } as const;

let host: NodeHost;
let network: Network;
let logs: Pick<LogLine, 'level' | 'message'>[];
let namespaces: TestNamespace[];
let children: ChildProcess[];
let directory: string;

beforeEach(() => {
  logs = [];
  const at = (level: LogLine['level']) => (message: string) => void logs.push({ level, message });
  host = createNodeHost({
    native: true,
    log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') },
  });
  network = new Network({ host, switch: true });
  namespaces = [];
  children = [];
  directory = mkdtempSync(join(tmpdir(), 'ny-tap-'));
});

afterEach(async () => {
  await Promise.all(network.clients().map((endpoint) => endpoint.client?.close()));
  network.close();
  await host.close();
  expect([host.openSockets, host.counters.callbackErrors]).toEqual([0, 0]);
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
  for (const namespace of namespaces) namespace.close();
  rmSync(directory, { recursive: true });
});

function context(id: string, endpoint: Endpoint) {
  const none = (): never => {
    throw new RangeError('not in this test');
  };
  return {
    id,
    port: endpoint,
    host,
    log: host.log,
    trace: () => {},
    signal: new AbortController().signal,
    emit: () => {},
    protectedAddresses: new ProtectedAddresses(),
    openChild: none,
    takeDescriptor: (text: string) => Number(text),
    joinHub: none,
  };
}

/** A tap of ours under a unique name, a port of the switch. */
async function tap(options: NetdevTapOptions = {}, onSwitch = true): Promise<{ endpoint: Endpoint; name: string }> {
  const name = options.ifname ?? uniqueName('nt');
  const id = `n-${name}`;
  const endpoint = network.open(id, 'tap', { isNetdev: true });
  const given = options.fd === undefined && options.fds === undefined ? { ...NO_SCRIPTS, ifname: name } : {};
  endpoint.attach(await createTap({ ...given, ...options }, context(id, endpoint)));
  if (onSwitch) network.autoSwitch(endpoint);
  return { endpoint, name };
}

async function user(): Promise<void> {
  const endpoint = network.open('u', 'user', { isNetdev: true });
  endpoint.attach(await createUserNetdev({}, context('u', endpoint)));
  network.autoSwitch(endpoint);
}

function namespace(): TestNamespace {
  const made = new TestNamespace();
  namespaces.push(made);
  return made;
}

const interfaceExists = (name: string): boolean => existsSync(`/sys/class/net/${name}`);

async function iperf(server: TestNamespace, client: TestNamespace, to: string, ...options: string[]): Promise<number> {
  const running = server.spawn('iperf3', '-s', '-1', '--forceflush');
  let ready = false;
  running.stdout?.on('data', () => {
    ready = true;
  });
  await until(() => ready);
  const { status, stdout } = await client.exec('iperf3', '-c', to, '-t', '1', '-J', ...options);
  expect(status).toBe(0);
  return JSON.parse(stdout).end.sum_received.bits_per_second as number;
}

/** One line to a TCP server of this host's loopback, which `user` shows at 10.0.2.2, and back. */
async function reachesThisHost(from: TestNamespace): Promise<boolean> {
  const server = createServer((socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const script = `exec 3<>/dev/tcp/10.0.2.2/${port} && echo hello >&3 && head -1 <&3`;
  const { stdout } = await from.exec('timeout', '10', 'bash', '-c', script);
  server.close();
  return stdout === 'hello\n';
}

describeNative('tap', () => {
  describe.skipIf(!isRoot)('as root', () => {
    describePeer('two namespaces', ['ip', 'iperf3', 'bash'], () => {
      it('TCP crosses two taps in frames of many segments', async () => {
        const [a, b] = [namespace(), namespace()];
        const [one, two] = [await tap(), await tap()];
        a.adopt(one.name, '10.9.0.1/24');
        b.adopt(two.name, '10.9.0.2/24');
        expect(await iperf(b, a, '10.9.0.2')).toBeGreaterThan(1e9);
        const { sentFrames, sentBytes } = one.endpoint.counters;
        expect(sentBytes / sentFrames).toBeGreaterThan(20_000);
        expect(two.endpoint.receiveDropped / sentFrames).toBeLessThan(0.01);
      });

      it('one with vnet_hdr=off gets and sends frames of the MTU, from one and to one with it', async () => {
        const [a, b] = [namespace(), namespace()];
        const [whole, plain] = [await tap(), await tap({ vnet_hdr: false })];
        a.adopt(whole.name, '10.9.0.1/24');
        b.adopt(plain.name, '10.9.0.2/24');
        expect(await iperf(b, a, '10.9.0.2')).toBeGreaterThan(1e8);
        expect(await iperf(b, a, '10.9.0.2', '-R')).toBeGreaterThan(1e8);
        const { receivedBytes, receivedFrames } = whole.endpoint.counters;
        expect(receivedBytes / receivedFrames).toBeLessThan(1515);
        const seen = Number(readStatistics(b, plain.name, 'rx_bytes')) / readStatistics(b, plain.name, 'rx_packets');
        expect(seen).toBeLessThan(1515);
        expect(readStatistics(b, plain.name, 'rx_errors')).toBe(0);
      });

      it('four queues: flows spread over them, both ways', async () => {
        const [a, b] = [namespace(), namespace()];
        const [wide, other] = [await tap({ queues: 4 }), await tap()];
        a.adopt(wide.name, '10.9.0.1/24');
        b.adopt(other.name, '10.9.0.2/24');
        const queues = new Set<number>();
        const { client } = other.endpoint as { client: { receive(frame: Frame): boolean } };
        const receive = client.receive.bind(client);
        client.receive = (frame) => {
          queues.add(frame.queue);
          return receive(frame);
        };
        expect(await iperf(b, a, '10.9.0.2', '-P', '8')).toBeGreaterThan(1e8);
        expect(queues.size).toBeGreaterThan(1);
        expect(a.ip('-d', 'link', 'show', wide.name)).toContain('multi_queue');
      });

      it('user behind a tap', async () => {
        const inside = namespace();
        await user();
        const { name } = await tap();
        inside.adopt(name, '10.0.2.15/24');
        expect(await reachesThisHost(inside)).toBe(true);
      });
    });

    describePeer('interfaces', ['ip'], () => {
      it('a persistent one stays, and is attached to again; its number of queues must fit', async () => {
        const name = uniqueName('np');
        ip('tuntap', 'add', name, 'mode', 'tap');
        try {
          const first = await tap({ ifname: name });
          await expect(tap({ ifname: name, queues: 1, vnet_hdr: false })).rejects.toThrow('busy');
          await first.endpoint.client?.close();
          expect(interfaceExists(name)).toBe(true);
          network.remove(first.endpoint);
          await expect(tap({ ifname: name, queues: 2 })).rejects.toThrow(
            `could not configure /dev/net/tun (${name}): Invalid argument`,
          );
          const again = await tap({ ifname: `${name}`, vnet_hdr: false }).catch((error: Error) => error);
          expect(again).not.toBeInstanceOf(Error);
        } finally {
          ip('link', 'del', name);
        }
      });

      it('one of its own goes with it', async () => {
        const { name, endpoint } = await tap();
        expect(interfaceExists(name)).toBe(true);
        await endpoint.client?.close();
        expect(interfaceExists(name)).toBe(false);
      });

      it('the name of another kind of interface', async () => {
        await expect(tap({ ifname: 'lo' })).rejects.toThrow('could not configure /dev/net/tun (lo): Invalid argument');
      });

      it('one that is down drops; deleted under us it is the end of the carrier, without a busy loop', async () => {
        const { name, endpoint } = await tap({}, false);
        const probe = openProbe(network, 'nic', 'nic');
        network.wire(probe.endpoint, endpoint);
        const frame = new Frame().setPlain(new Uint8Array(60).fill(1), 0, 60);
        probe.endpoint.send(frame);
        await until(() => endpoint.counters.dropped['interface-down'] === 1);
        ip('link', 'set', name, 'up');
        probe.endpoint.send(frame);
        expect(endpoint.counters.dropped['interface-down']).toBe(1);
        ip('link', 'del', name);
        await until(() => !endpoint.carrierUp);
        expect(logs.filter(({ level }) => level === 'warn')).toEqual([
          { level: 'warn', message: expect.stringContaining('its interface is gone (File descriptor in bad state)') },
        ]);
        const before = process.cpuUsage();
        await new Promise((resolve) => setTimeout(resolve, 300));
        const { user: spent, system } = process.cpuUsage(before);
        expect((spent + system) / 1000).toBeLessThan(150);
        probe.endpoint.send(frame);
      });

      it('deleted under a netdev of four queues', async () => {
        const { name, endpoint } = await tap({ queues: 4 });
        ip('link', 'set', name, 'up');
        ip('link', 'del', name);
        await until(() => !endpoint.carrierUp);
        expect(logs.filter(({ level }) => level === 'warn')).toHaveLength(1);
      });

      it('sndbuf=', async () => {
        await tap({ sndbuf: 1_048_576 });
        await expect(tap({ ...NO_SCRIPTS, ifname: uniqueName('ns'), vhost: true })).rejects.toThrow(
          existsSync('/dev/vhost-net') ? 'vhost-net requested' : 'tap: open vhost char device failed',
        );
      });
    });

    describePeer('scripts', ['ip', 'sh'], () => {
      it('get the interface’s name and the open tap; down runs while it is still there', async () => {
        const seen = join(directory, 'seen');
        const script = join(directory, 'script');
        writeFileSync(
          script,
          `#!/bin/sh\necho "$# $1 $(cat /sys/class/net/$1/tun_flags) $(ls -l /proc/$$/fd | grep -c net/tun)" >>${seen}\nip link set $1 up\n`,
          { mode: 0o755 },
        );
        const { name, endpoint } = await tap({ script, downscript: script });
        expect(ip('link', 'show', name)).toContain('UP');
        expect(endpoint.info()).toBe(`ifname=${name},script=${script},downscript=${script}`);
        await endpoint.client?.close();
        const lines = readFileSync(seen, 'utf8').trim().split('\n');
        expect(lines).toEqual([`1 ${name} 0x7002 1`, `1 ${name} 0x7002 1`]);
        expect(interfaceExists(name)).toBe(false);
      });

      it.each([
        ['exit 1', 256],
        ['exit 3', 768],
        ['kill -TERM $$', 15],
      ])('that fail: %s', async (line, status) => {
        const script = join(directory, 'script');
        writeFileSync(script, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
        const name = uniqueName('ns');
        await expect(tap({ ifname: name, script })).rejects.toThrow(
          `network script ${script} failed with status ${status}`,
        );
        expect(interfaceExists(name)).toBe(false);
      });

      it('that do not exist', async () => {
        await expect(tap({ script: '/nonexistent' })).rejects.toThrow(
          'network script /nonexistent failed with status 256',
        );
      });
    });

    describePeer('the program', ['ip', 'bash'], () => {
      const start = (args: string[], ...descriptors: number[]): ChildProcess => {
        const child = spawn(process.execPath, [PROGRAM, ...args], {
          env: { ...process.env, XDG_RUNTIME_DIR: directory, XDG_STATE_HOME: `${directory}/state` },
          stdio: ['ignore', 'ignore', 'ignore', ...descriptors],
        });
        children.push(child);
        return child;
      };

      it('takes a tap that its parent opened, by number', async () => {
        const inside = namespace();
        const device = createDevice(host.kernel, uniqueName('nt'), 1, undefined);
        const number = device.queues[0]?.number as number;
        const child = start(['-netdev', 'user,id=u', '-netdev', 'tap,id=t,fd=3'], number);
        for (const descriptor of device.queues) descriptor.close();
        inside.adopt(device.interfaceName, '10.0.2.15/24');
        expect(await reachesThisHost(inside)).toBe(true);
        const gone = once(child, 'exit');
        child.kill('SIGTERM');
        expect(await gone).toEqual([0, null]);
        expect(inside.ip('link')).not.toContain(device.interfaceName);
      });

      it('killed, leaves no interface behind, and starts again under the same name', async () => {
        const name = uniqueName('nt');
        const args = ['-netdev', `tap,id=t,ifname=${name},script=no,downscript=no`];
        for (let i = 0; i < 2; i++) {
          const child = start(args);
          await until(() => interfaceExists(name));
          const gone = once(child, 'exit');
          child.kill('SIGKILL');
          await gone;
          await until(() => !interfaceExists(name));
        }
      });
    });
  });
});

function readStatistics(namespace: TestNamespace, name: string, counter: string): number {
  const [{ stats64 }] = JSON.parse(namespace.ip('-s', '-j', 'link', 'show', name)) as [
    { stats64: { rx: Record<string, number> } },
  ];
  return stats64.rx[{ rx_bytes: 'bytes', rx_packets: 'packets', rx_errors: 'errors' }[counter] as string] as number;
}
