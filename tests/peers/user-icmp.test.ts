/**
 * `ping`, `traceroute` and refused datagrams of a guest behind `user`, over a router: guest - tap - netyard - router -
 * link with a small MTU - far host. Each is a network namespace, netyard's too. Needs root.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Daemon, startDaemon } from '../kit/guest/daemon.ts';
import { isRoot, TestNamespace, uniqueName } from '../kit/namespace.ts';
import { describeNative } from '../kit/native.ts';
import { describePeer } from '../kit/peers.ts';

const SOURCES = new URL('../../src/cli/main.ts', import.meta.url).pathname;
const GATEWAY = '10.0.2.2';
const NEAR = '198.18.1.1';
const ROUTER = '198.18.1.2';
const FAR = '198.18.2.2';
const PATH_MTU = 1300;

let middle: TestNamespace;
let router: TestNamespace;
let far: TestNamespace;
let guest: TestNamespace;
let daemon: Daemon | undefined;
let folder = '';
const namespaces: TestNamespace[] = [];

function namespace(): TestNamespace {
  const made = new TestNamespace();
  namespaces.push(made);
  return made;
}

function link(a: TestNamespace, aAddress: string, b: TestNamespace, bAddress: string, mtu: number): void {
  const [one, two] = [uniqueName('v'), uniqueName('v')];
  a.ip(
    'link',
    'add',
    one,
    'mtu',
    String(mtu),
    'type',
    'veth',
    'peer',
    'name',
    two,
    'mtu',
    String(mtu),
    'netns',
    b.name,
  );
  for (const [end, name, address] of [
    [a, one, aAddress],
    [b, two, bAddress],
  ] as const) {
    end.ip('addr', 'add', `${address}/24`, 'dev', name);
    end.ip('link', 'set', name, 'up');
  }
}

async function build(): Promise<void> {
  [middle, router, far, guest] = [namespace(), namespace(), namespace(), namespace()];
  link(middle, NEAR, router, ROUTER, 1500);
  link(router, '198.18.2.1', far, FAR, PATH_MTU);
  middle.ip('route', 'add', 'default', 'via', ROUTER);
  far.ip('route', 'add', 'default', 'via', '198.18.2.1');
  router.ip('route', 'add', 'unreachable', '198.18.3.0/24');
  // A limit on errors for each peer would also count against the router's unreachable routes.
  const settings: [TestNamespace, string][] = [
    [router, 'net.ipv4.ip_forward=1'],
    [router, 'net.ipv4.icmp_ratemask=0'],
    [far, 'net.ipv4.icmp_ratemask=0'],
    [middle, 'net.ipv4.icmp_ratemask=0'],
    [middle, 'net.ipv4.ping_group_range=0 2147483647'],
  ];
  for (const [where, setting] of settings) expect((await where.exec('sysctl', '-qw', setting)).status).toBe(0);
}

async function attach(): Promise<void> {
  const tap = uniqueName('nt');
  daemon = await startDaemon({
    name: 'icmp',
    runtime: folder,
    prefix: ['ip', 'netns', 'exec', middle.name],
    program: [process.execPath, '--import', 'tsx', SOURCES],
    args: ['-netdev', 'user,id=u0', '-netdev', `tap,id=t0,ifname=${tap},script=no,downscript=no`],
  });
  middle.ip('link', 'set', tap, 'netns', guest.name);
  guest.ip('addr', 'add', '10.0.2.15/24', 'dev', tap);
  guest.ip('link', 'set', tap, 'up');
  guest.ip('route', 'add', 'default', 'via', GATEWAY);
}

const python = async (script: string): Promise<string> => {
  const { stdout } = await guest.exec('timeout', '10', 'python3', '-c', script);
  return stdout.trim();
};

/** Three echo requests. @param words options, and where to. */
const ping = (...words: string[]) =>
  guest.exec('timeout', '10', 'busybox', 'ping', '-c', '3', '-i', '0.1', '-W', '2', ...words);

/** The addresses of a trace, hop by hop. */
async function trace(to: string, ...options: string[]): Promise<string[]> {
  const words = ['-n', '-q', '1', '-w', '2', '-m', '6', ...options, to];
  const { stdout } = await guest.exec('timeout', '20', 'busybox', 'traceroute', ...words);
  return [...stdout.matchAll(/^ *\d+ {2}(\S+)/gm)].map((match) => match[1] as string);
}

describePeer('ICMP of a guest', isRoot ? ['ip', 'sysctl', 'busybox', 'python3'] : ['root'], () => {
  describeNative('on native sockets', () => {
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'ny-icmp-'));
      await build();
      await attach();
    }, 30_000);

    afterAll(async () => {
      await daemon?.end();
      for (const made of namespaces) made.close();
      rmSync(folder, { recursive: true, force: true });
    });

    it.each([
      ['the gateway', GATEWAY],
      ["the host's own address", NEAR],
      ['a router', ROUTER],
      ['a host behind it', FAR],
    ])('ping reaches %s', async (_, address) => {
      const { stdout } = await ping(address);
      expect(stdout).toContain('3 packets transmitted, 3 packets received');
    });

    it('info usernet shows the flows of ping', async () => {
      const text = await daemon?.qmp.execute('human-monitor-command', { 'command-line': 'info usernet' });
      expect(text).toMatch(new RegExp(`ICMP\\[\\d+ sec\\] +-1 +10\\.0\\.2\\.15 +- +${FAR.replaceAll('.', '\\.')} +- `));
    });

    it('a traceroute with TCP sees the gateway, the router and the target', async () => {
      const text = await python(`
import socket, struct
for ttl in (1, 2, 3):
  s = socket.socket(); s.settimeout(3)
  s.setsockopt(0, socket.IP_TTL, ttl); s.setsockopt(0, 11, 1)
  try: s.connect(('${FAR}', 9)); print('connected')
  except ConnectionRefusedError: print('refused')
  except OSError:
    _, extra, _, _ = s.recvmsg(512, 512, 0x2000)
    print(*(socket.inet_ntoa(c[20:24]) + ' ' + str(c[5]) for _, _, c in extra))`);
      expect(text.split('\n')).toEqual([`${GATEWAY} 11`, `${ROUTER} 11`, 'refused']);
    });

    it('a large ping crosses a link of a smaller MTU', async () => {
      const { stdout } = await ping('-s', '4000', FAR);
      expect(stdout).toMatch(/[123] packets received/);
    });

    it.each([
      ['UDP', []],
      ['ICMP', ['-I']],
    ])('traceroute with %s finds the gateway, the router and the host', async (_, options) => {
      expect(await trace(FAR, ...options)).toEqual([GATEWAY, ROUTER, FAR]);
    });

    it.each([
      ['network is told by the router that knows', '198.18.3.9', ROUTER],
      ['neighbour of the host is told by the host', '198.18.1.9', NEAR],
    ])('ping of an unreachable %s', async (_, to, teller) => {
      const script = `
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.settimeout(8)
m = struct.pack('!BBHHH', 8, 0, 0, 77, 1) + b'quoted'
c = sum(struct.unpack('!7H', m)); c = (c >> 16) + (c & 0xffff); c = ~(c + (c >> 16)) & 0xffff
s.sendto(m[:2] + struct.pack('!H', c) + m[4:], ('${to}', 0))
b, a = s.recvfrom(2000)
print(a[0], b[20], b[21], socket.inet_ntoa(b[44:48]), struct.unpack('!HH', b[52:56]), b[56:62].decode())`;
      expect(await python(script)).toBe(`${teller} 3 1 ${to} (77, 1) quoted`);
    });

    it.each([
      ['this host', GATEWAY],
      ['a far host', FAR],
    ])('a closed UDP port of %s is refused', async (_, address) => {
      const script = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.connect(('${address}', 9))
s.send(b'x')
try: s.recv(10)
except OSError as e: print(type(e).__name__)`;
      expect(await python(script)).toBe('ConnectionRefusedError');
    });

    it('one UDP socket learns of each of its peers by itself', async () => {
      const script = `
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
s.setsockopt(socket.IPPROTO_IP, 11, 1)
import time; seen = []
for to in [('${FAR}', 9), ('198.18.3.9', 9), ('${ROUTER}', 10)]:
  try: s.sendto(b'x', to)
  except OSError: s.sendto(b'x', to)
end = time.time() + 5
while len(seen) < 3 and time.time() < end:
  try: d, anc, f, a = s.recvmsg(100, 512, 0x2000)
  except OSError: time.sleep(0.02); continue
  t = anc[0][2]; seen.append((a, t[5], t[6], socket.inet_ntoa(t[20:24])))
for a in sorted(seen): print(*a)`;
      expect((await python(script)).split('\n')).toEqual([
        `('${ROUTER}', 10) 3 3 ${ROUTER}`,
        `('${FAR}', 9) 3 3 ${FAR}`,
        `('198.18.3.9', 9) 3 1 ${ROUTER}`,
      ]);
    });

    it("the guest learns the path's MTU", async () => {
      const script = `
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.IPPROTO_IP, 10, 2); s.connect(('${FAR}', 9))
end = time.time() + 5; mtu = 0
s.send(b'x' * 1400)
while mtu != ${PATH_MTU} and time.time() < end:
  time.sleep(0.02); mtu = s.getsockopt(socket.IPPROTO_IP, 14)
print(mtu)`;
      expect(await python(script)).toBe(String(PATH_MTU));
    });
  });
});
