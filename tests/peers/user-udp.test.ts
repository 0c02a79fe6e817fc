/**
 * UDP of a guest behind `user`, with real kernels: answers from elsewhere, a host whose network changes, and forwards that
 * answer as who was asked. guest - tap - netyard - far host, each a network namespace. Needs root.
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
const [NEAR, NEAR_TOO, NEAR_LATER] = ['198.18.1.10', '198.18.1.11', '198.18.1.12'];
const [FAR, FAR_TOO] = ['198.18.1.1', '198.18.1.2'];

let middle: TestNamespace;
let far: TestNamespace;
let guest: TestNamespace;
let daemon: Daemon | undefined;
let folder = '';
let wire = '';
const namespaces: TestNamespace[] = [];

function namespace(): TestNamespace {
  const made = new TestNamespace();
  namespaces.push(made);
  return made;
}

function build(): void {
  [middle, far, guest] = [namespace(), namespace(), namespace()];
  const other = uniqueName('v');
  wire = uniqueName('v');
  middle.ip('link', 'add', wire, 'type', 'veth', 'peer', 'name', other, 'netns', far.name);
  for (const address of [NEAR, NEAR_TOO]) middle.ip('addr', 'add', `${address}/24`, 'dev', wire);
  for (const address of [FAR, FAR_TOO]) far.ip('addr', 'add', `${address}/24`, 'dev', other);
  middle.ip('link', 'set', wire, 'up');
  far.ip('link', 'set', other, 'up');
}

async function attach(): Promise<void> {
  const tap = uniqueName('nt');
  daemon = await startDaemon({
    name: 'udp',
    runtime: folder,
    prefix: ['ip', 'netns', 'exec', middle.name],
    program: [process.execPath, '--import', 'tsx', SOURCES],
    args: [
      '-netdev',
      'user,id=u0,hostfwd=udp::7001-:7000,hostfwd=udp::7009-:7009',
      '-netdev',
      `tap,id=t0,ifname=${tap},script=no,downscript=no`,
    ],
  });
  middle.ip('link', 'set', tap, 'netns', guest.name);
  guest.ip('addr', 'add', '10.0.2.15/24', 'dev', tap);
  guest.ip('link', 'set', tap, 'up');
  guest.ip('route', 'add', 'default', 'via', '10.0.2.2');
}

const HEAD = `
import socket, select, sys, time
def udp(host='0.0.0.0', port=0):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3); s.bind((host, port)); return s
`;

const python = async (where: TestNamespace, script: string): Promise<string> => {
  const { stdout } = await where.exec('timeout', '20', 'python3', '-c', HEAD + script);
  return stdout.trim();
};

/** Starts a server, and waits until it is bound. */
async function serve<T>(where: TestNamespace, script: string, use: () => Promise<T>): Promise<T> {
  const running = python(where, script);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const result = await use();
  expect(await running).toBe('');
  return result;
}

describePeer('UDP of a guest', isRoot ? ['ip', 'python3'] : ['root'], () => {
  describeNative('on native sockets', () => {
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'ny-udp-'));
      build();
      await attach();
    }, 30_000);

    afterAll(async () => {
      await daemon?.end();
      for (const made of namespaces) made.close();
      rmSync(folder, { recursive: true, force: true });
    });

    it.each([
      ['another port', FAR, 50_069],
      ['another address', FAR_TOO, 69],
    ])('an answer from %s arrives', async (_what, host, port) => {
      const server = `a = udp('${FAR}', 69); b = udp('${host}', ${port}); d, c = a.recvfrom(99); b.sendto(d, c)`;
      const client = `s = udp(); s.sendto(b'x', ('${FAR}', 69)); print(*s.recvfrom(99)[1])`;
      expect(await serve(far, server, () => python(guest, client))).toBe(`${host} ${port}`);
    });

    it('a closed port of the outside is told', async () => {
      const client = `s = udp(); s.connect(('${FAR}', 9)); s.send(b'x')\ntry: s.recv(9)\nexcept OSError as e: print(type(e).__name__)`;
      expect(await python(guest, client)).toBe('ConnectionRefusedError');
    });

    it('forwards answer from the address that the client wrote to', async () => {
      const server = 's = udp(port=7000)\nfor i in range(3): d, c = s.recvfrom(99); s.sendto(d, c)';
      const client = (host: string): string =>
        `s = udp(); s.sendto(b'x', ('${host}', 7001)); print(s.recvfrom(99)[1][0])`;
      await serve(guest, server, async () => {
        expect(await python(far, client(NEAR))).toBe(NEAR);
        expect(await python(far, client(NEAR_TOO))).toBe(NEAR_TOO);
        expect(await python(middle, client('127.0.0.2'))).toBe('127.0.0.2');
      });
    });

    it.each([
      ['the far host', NEAR_TOO, () => far],
      ['this host', '127.0.0.1', () => middle],
    ])('a closed port of the guest is told to a client on %s', async (_what, host, where) => {
      const client = `s = udp(); s.connect(('${host}', 7009)); s.send(b'x')\ntry: s.recv(9)\nexcept OSError as e: print(type(e).__name__)`;
      expect(await python(where(), client)).toBe('ConnectionRefusedError');
    });

    it("goes on when the host's address has changed", async () => {
      const server = `
s = udp('${FAR}', 7000); seen = []
while len(set(seen)) < 2:
    d, c = s.recvfrom(99); s.sendto(d, c); seen.append(c[0])
time.sleep(0.3)
`;
      const client = `
s = udp(); s.settimeout(0.3); to = ('${FAR}', 7000)
def ask():
    s.sendto(b'x', to)
    try: s.recv(9); return True
    except OSError: return False
print(ask(), flush=True); end = time.time() + 8; good = 0
time.sleep(1.5)
while time.time() < end and not ask(): pass
print(time.time() < end)
`;
      const told = await serve(far, server, async () => {
        const running = python(guest, client);
        await new Promise((resolve) => setTimeout(resolve, 1000));
        middle.ip('addr', 'flush', 'dev', wire);
        middle.ip('addr', 'add', `${NEAR_LATER}/24`, 'dev', wire);
        return running;
      });
      expect(told).toBe('True\nTrue');
    });
  });
});
