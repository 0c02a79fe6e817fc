/** `netyard netns` with the kernel's namespaces: as root with those of `ip netns`, and as a user without any right. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadNative } from '../../src/node/native/load.ts';
import { isRoot, TestNamespace } from '../kit/namespace.ts';
import { describePeer } from '../kit/peers.ts';

const root = new URL('../..', import.meta.url).pathname;
const NOBODY = 65534;
const LIMIT_MS = 20_000;

const ownAddress = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address;

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

class Running {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly ended: Promise<Outcome>;

  constructor(program: string, args: readonly string[], uid?: number) {
    this.child = spawn(process.execPath, [program, 'netns', ...args], {
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      ...(uid === undefined ? {} : { uid, gid: uid }),
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve) => {
      this.child.once('close', (status) => resolve({ status, stdout: this.stdout, stderr: this.stderr }));
    });
  }

  /** Its ready line. */
  async ready(): Promise<string> {
    await expect
      .poll(() => this.stdout.includes('\n') || this.child.exitCode !== null, { timeout: LIMIT_MS })
      .toBe(true);
    expect(this.child.exitCode, this.stderr).toBeNull();
    return this.stdout;
  }
}

describePeer(
  'netyard netns',
  isRoot && 'binding' in loadNative() ? ['ip', 'unshare', 'nsenter', 'curl', 'iperf3', 'bash'] : ['root'],
  () => {
    let folder = '';
    let program = '';
    let web: Server;
    let port = 0;
    const running: Running[] = [];

    const start = (args: readonly string[], uid?: number): Running => {
      const one = new Running(program, args, uid);
      running.push(one);
      return one;
    };
    const fetched = (where: string): string[] => ['curl', '-sS', '--max-time', '10', where];

    beforeAll(async () => {
      // A copy that every user can read, as an installed package is.
      folder = mkdtempSync(join(tmpdir(), 'netyard-netns-test-'));
      chmodSync(folder, 0o755);
      for (const path of ['package.json', 'dist', 'native/build', 'node_modules/commander']) {
        cpSync(join(root, path), join(folder, path), { recursive: true, dereference: true });
      }
      program = join(folder, 'dist/program/main.js');
      web = createServer((_, response) => response.end('of the host'));
      await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
      port = (web.address() as AddressInfo).port;
    });

    afterEach(() => {
      for (const { child } of running.splice(0)) child.kill('SIGKILL');
    });

    afterAll(() => {
      web?.close();
      rmSync(folder, { recursive: true, force: true });
    });

    describe.each([
      ['root', undefined],
      ['a user without rights', NOBODY],
    ])('a command of %s', (_, uid) => {
      it('reaches the host, and ends with its own status', async () => {
        const { stdout, stderr, status } = await start(
          ['--host-loopback', '--', 'sh', '-c', `curl -sS --max-time 10 http://10.0.2.2:${port}/; exit 7`],
          uid,
        ).ended;
        expect(stderr).toBe('');
        expect(stdout).toBe('of the host');
        expect(status).toBe(7);
      });

      it('does not reach services on the loopback of the host', async () => {
        const refused = `curl -sS --max-time 10 http://10.0.2.2:${port}/; echo $?`;
        const { stdout, stderr } = await start(['--', 'sh', '-c', refused], uid).ended;
        expect(stdout).toBe('7\n');
        expect(stderr).toMatch(/refused|connect to/);
      });

      it.skipIf(ownAddress === undefined)('reaches other addresses of the host, unless they are denied', async () => {
        const service = createServer((_, response) => response.end('of the host'));
        await new Promise<void>((resolve) => service.listen(0, ownAddress, resolve));
        const url = `http://${ownAddress}:${(service.address() as AddressInfo).port}/`;
        try {
          expect((await start(['--', ...fetched(url)], uid).ended).stdout).toBe('of the host');
          expect((await start(['--deny', 'host', '--', ...fetched(url)], uid).ended).status).toBe(7);
        } finally {
          service.close();
        }
      });

      it('finds the name server, alone has it, and is root there', async () => {
        const { stdout } = await start(['--', 'sh', '-c', 'id -u; head -n 1 /etc/resolv.conf'], uid).ended;
        expect(stdout).toBe('0\nnameserver 10.0.2.3\n');
      });

      it('lets others mount over its resolv.conf', async () => {
        const nested = ['unshare', '--mount', 'sh', '-c', 'mount --bind /dev/null /etc/resolv.conf && echo done'];
        expect((await start(['--', ...nested], uid).ended).stdout).toBe('done\n');
      });

      it('leaves no folder behind', () => {
        expect(readdirSync(tmpdir()).filter((name) => /^netyard-netns-(?!test)/.test(name))).toEqual([]);
      });

      it('has the MTU, addresses and interface name asked for', async () => {
        const show = 'cat /sys/class/net/wire/mtu; ip -o -4 addr show wire; ip route show default';
        const args = [
          '--mtu',
          '1400',
          '--net',
          '172.20.5.0/24',
          '--tap',
          'wire',
          '--',
          'unshare',
          '--mount',
          'sh',
          '-c',
        ];
        const { stdout } = await start([...args, `mount -t sysfs none /sys; ${show}`], uid).ended;
        expect(stdout).toMatch(/^1400\n/);
        expect(stdout).toContain('172.20.5.15/24');
        expect(stdout).toContain('default via 172.20.5.2 dev wire');
      });

      it('is reached through a published port', async () => {
        const server = `exec 3<>/dev/tcp/10.0.2.2/${port}; exec ${process.execPath} -e "
          require('net').createServer((s) => s.end('of the namespace')).listen(80)
          require('http').get('http://10.0.2.2:${port}/')"`;
        // Only the ready line tells the port, and it is for those without a command: a number that nobody has now.
        const free = createServer().listen(0, '127.0.0.1');
        const { port: published } = await new Promise<AddressInfo>((resolve) => {
          free.once('listening', () => resolve(free.address() as AddressInfo));
        });
        await new Promise((resolve) => free.close(resolve));
        const one = start(
          ['--host-loopback', '--publish', `127.0.0.1:${published}:80`, '--', 'bash', '-c', server],
          uid,
        );
        await expect.poll(() => answer(published), { timeout: LIMIT_MS }).toBe('of the namespace');
        one.child.kill('SIGTERM');
        expect((await one.ended).status).toBe(143);
      });

      it('carries iperf3 both ways', async () => {
        const iperf = spawn('iperf3', ['-s', '-B', '127.0.0.1', '-p', String(port + 1 > 65535 ? port - 1 : port + 1)]);
        try {
          const to = `iperf3 -c 10.0.2.2 -p ${iperf.spawnargs.at(-1)} -t 1 -J`;
          // A server that begins, or still ends the last test, refuses the next: with -J that may be told by the text alone.
          const once = 'got=$("$@") && echo "$got" | grep sum_received > /dev/null';
          const retry = `try() { for i in $(seq 50); do ${once} && break; sleep 0.1; done; echo "$got"; }; try ${to}; try ${to} -R`;
          const { stdout } = await start(['--host-loopback', '--', 'sh', '-c', retry], uid).ended;
          const rates = [...stdout.matchAll(/"sum_received":\s*\{[^}]*"bits_per_second":\s*([\d.e+]+)/g)].map(
            ([, rate]) => Number(rate),
          );
          expect(rates).toHaveLength(2);
          // Far below what it does: that it flows, not how fast.
          for (const rate of rates) expect(rate).toBeGreaterThan(5e7);
        } finally {
          iperf.kill('SIGKILL');
        }
      });
    });

    describe("a namespace of 'ip netns'", () => {
      let namespace: TestNamespace;

      beforeAll(() => {
        namespace = new TestNamespace();
      });
      afterAll(() => namespace?.close());

      it('by name: programs there reach the host; a signal ends it and takes the tap along', async () => {
        const one = start([namespace.name, '--host-loopback']);
        expect(await one.ready()).toMatch(/tap0 is 10\.0\.2\.15, this host 10\.0\.2\.2, name server 10\.0\.2\.3/);
        expect((await namespace.exec(...fetched(`http://10.0.2.2:${port}/`))).stdout).toBe('of the host');
        one.child.kill('SIGTERM');
        expect((await one.ended).status).toBe(0);
        expect(namespace.ip('-br', 'link')).not.toContain('tap0');
      });

      it('killed at any moment, the next one starts at once', async () => {
        for (let round = 0; round < 3; round++) {
          const one = start([`/run/netns/${namespace.name}`, '--publish', '127.0.0.1:0:80']);
          expect(await one.ready()).toMatch(/tcp 127\.0\.0\.1:\d+ leads to port 80/);
          one.child.kill('SIGKILL');
          await one.ended;
        }
        const last = start([namespace.name, '--host-loopback']);
        await last.ready();
        expect((await namespace.exec(...fetched(`http://10.0.2.2:${port}/`))).stdout).toBe('of the host');
      });

      it('says through --ready-fd that it is there', async () => {
        const one = start([namespace.name, '--tap', 'tap9', '--ready-fd', '3']);
        let said = '';
        const closed = new Promise((resolve) => {
          (one.child.stdio[3] as NodeJS.ReadableStream).on('data', (text) => (said += text)).on('end', resolve);
        });
        await closed;
        expect(said).toBe('1');
      });

      it('runs a command in it', async () => {
        const { stdout, status } = await start([
          namespace.name,
          '--host-loopback',
          '--',
          ...fetched(`http://10.0.2.2:${port}/`),
        ]).ended;
        expect(status).toBe(0);
        expect(stdout).toBe('of the host');
      });

      it('says so when its interface is there already', async () => {
        const one = start([namespace.name]);
        await one.ready();
        const { status, stderr } = await start([namespace.name]).ended;
        expect([status, stderr]).toEqual([1, 'netyard: --tap tap0: that name is taken there: give another\n']);
        one.child.kill();
        await one.ended;
      });

      it('ends with an error when its interface is deleted', async () => {
        const one = start([namespace.name, '--tap', 'tap8']);
        await one.ready();
        await namespace.exec('ip', 'link', 'del', 'tap8');
        const { status, stderr } = await one.ended;
        expect([status, stderr]).toEqual([1, expect.stringContaining('has no network any more')]);
      });

      it('ends when the name goes', async () => {
        const other = new TestNamespace();
        const one = start([other.name]);
        await one.ready();
        other.close();
        const { status, stderr } = await one.ended;
        expect(status).toBe(0);
        expect(stderr).toContain(`${other.name} is gone`);
      });
    });

    describe.each([
      ['root', []],
      ['a user', ['--user', '--map-root-user']],
    ])('the namespace of a process of %s', (who, flags) => {
      it('by number, and ends with the process', async () => {
        const uid = who === 'root' ? {} : { uid: NOBODY, gid: NOBODY };
        const holder = spawn('unshare', [...flags, '--net', 'sh', '-c', 'echo made; exec sleep 60'], {
          ...uid,
          stdio: ['ignore', 'pipe', 'ignore'],
        });
        try {
          await new Promise((resolve) => holder.stdout?.once('data', resolve));
          const one = start([String(holder.pid), '--host-loopback'], uid.uid);
          await one.ready();
          const inside = spawn(
            'nsenter',
            [`--net=/proc/${holder.pid}/ns/net`, ...fetched(`http://10.0.2.2:${port}/`)],
            { stdio: ['ignore', 'pipe', 'inherit'] },
          );
          let got = '';
          inside.stdout?.on('data', (text) => (got += text));
          await new Promise((resolve) => inside.once('close', resolve));
          expect(got).toBe('of the host');
          holder.kill('SIGKILL');
          expect((await one.ended).stderr).toContain('is gone');
        } finally {
          holder.kill('SIGKILL');
        }
      });
    });

    it.each([
      [['/proc/self/ns/net'], /this very program/],
      [['no-such-name'], /'no-such-name': no such network namespace/],
      [[''], /'': no such network namespace/],
      [['/dev/null', '--', 'true'], /no such network namespace/],
      [['/proc/self/ns/mnt', '--', 'true'], /no such network namespace/],
      [['4194304'], /no such network namespace/],
      [[], /give a namespace, or a command/],
      [['--mtu', '1', '--', 'true'], /--mtu 1: expected a number from 68/],
      [['--publish', '80', '--', 'true'], /--publish 80: expected \[ADDRESS:\]HOSTPORT:PORT/],
      [['--tap', 'a/b', '--', 'true'], /--tap a\/b/],
      [['--deny', 'all', '--', 'true'], /--deny all: expected 'host'/],
      [['--net', 'rubbish', '--', 'true'], /--net rubbish: Failed to parse/],
      [['--ready-fd', '77', '--', 'true'], /--ready-fd 77: no such descriptor was given/],
      [['--'], /there is no command after --/],
      [['curl', 'http://x'], /a command after --: netyard netns -- curl http:\/\/x/],
      [['--userns', '/proc/self/ns/user', '--', 'true'], /--userns: a new network namespace gets one of its own/],
      [['--rubbish'], /see 'netyard netns --help'/],
    ])('%j is refused', async (args, text) => {
      const { status, stderr } = await start(args).ended;
      expect(stderr).toMatch(text);
      expect(status).toBe(1);
    });

    it('a command that cannot be started ends it', async () => {
      const { status, stderr } = await start(['--', '/no/such/program']).ended;
      expect(stderr).toContain('/no/such/program');
      expect(status).toBe(127);
    });
  },
);

function answer(port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1');
    socket.on('data', (chunk) => (text += chunk)).on('error', () => resolve(''));
    socket.on('close', () => resolve(text)).setTimeout(2000, () => socket.destroy());
  });
}
