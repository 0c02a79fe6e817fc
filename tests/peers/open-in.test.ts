/** Host.kernel.openIn: taps, sockets, netlink and mounts in namespaces of another process. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NamespaceStep, Namespaces } from '../../src/net/index.ts';
import { createNodeHost, type NodeHost } from '../../src/node/index.ts';
import { describeNative } from '../kit/native.ts';
import { describePeer } from '../kit/peers.ts';

const RTM_NEWLINK = 16;
const NLM_F_REQUEST_ACK = 5;
const IFF_UP = 1;

/** struct ifreq for a tap with a virtio_net_hdr. */
function tun(): NamespaceStep & { request: Uint8Array } {
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode('tap%d'));
  new DataView(request.buffer).setUint16(16, 0x5002, true);
  return { kind: 'tun', request };
}

/** RTM_NEWLINK that sets the interface of this index up. */
function linkUp(index: number): NamespaceStep {
  const message = new Uint8Array(32);
  const view = new DataView(message.buffer);
  view.setUint32(0, message.length, true);
  view.setUint16(4, RTM_NEWLINK, true);
  view.setUint16(6, NLM_F_REQUEST_ACK, true);
  view.setUint32(8, 1, true);
  view.setInt32(20, index, true);
  view.setUint32(24, IFF_UP, true);
  view.setUint32(28, IFF_UP, true);
  return { kind: 'netlink', message };
}

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

describeNative('openIn', () => {
  describePeer('the namespaces of a process', ['unshare', 'nsenter', 'ip'], () => {
    let host: NodeHost;
    let child: ChildProcess;
    let of: (...kinds: ('user' | 'net' | 'mount')[]) => Namespaces;
    let directory: string;

    beforeAll(async () => {
      host = createNodeHost({ native: true });
      directory = mkdtempSync(join(tmpdir(), 'ny-open-'));
      // Unshared once it says so: until then its namespaces are ours.
      child = spawn('unshare', ['-r', '-n', '-m', 'sh', '-c', 'echo there; exec sleep 120'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await new Promise((resolve) => child.stdout?.once('data', resolve));
      const files = { user: 'user', net: 'net', mount: 'mnt' } as const;
      of = (...kinds) =>
        Object.fromEntries(kinds.map((kind) => [kind, `/proc/${child.pid}/ns/${files[kind]}`])) as Namespaces;
    });

    afterAll(async () => {
      child?.kill('SIGKILL');
      await host.close();
      expect(host.openSockets).toBe(0);
      rmSync(directory, { recursive: true });
    });

    const inside = (command: string): string => {
      const where = ['-t', String(child.pid), '-U', '-n', '-m', '--preserve-credentials'];
      return execFileSync('nsenter', [...where, 'sh', '-c', command], { encoding: 'utf8' });
    };

    it('opens a tap and a socket, sets a link up, mounts a file', async () => {
      const outside = readFileSync('/etc/resolv.conf', 'utf8');
      const step = tun();
      const [tap, socket] = await host.kernel.openIn(of('user', 'net', 'mount'), [
        step,
        { kind: 'socket', domain: 2, type: 2, protocol: 0 },
        linkUp(1),
        { kind: 'mount-file', folder: directory, target: '/etc/resolv.conf', text: 'nameserver 10.0.2.3\n' },
      ]);
      expect(new TextDecoder().decode(step.request.subarray(0, 5))).toBe('tap0\0');
      expect(inside('ip link show tap0')).toContain('tap0');
      expect(inside('ip link show lo')).toContain('UP');
      expect(inside('cat /etc/resolv.conf')).toBe('nameserver 10.0.2.3\n');
      expect(readFileSync('/etc/resolv.conf', 'utf8')).toBe(outside);
      // Others may mount over it, and nothing else of it is to be seen.
      expect(inside('mount --bind /dev/null /etc/resolv.conf && cat /etc/resolv.conf')).toBe('');
      expect(inside(`mountpoint -q ${directory} || ls ${directory}`)).toBe('');
      const request = new Uint8Array(40);
      tap?.ioctl('TUNGETIFF', request);
      expect(request.subarray(0, 5)).toEqual(step.request.subarray(0, 5));
      socket?.ioctl('SIOCGIFINDEX', request);
      expect(new DataView(request.buffer).getInt32(16, true)).toBeGreaterThan(1);
      tap?.close();
      socket?.close();
      expect(inside('ip link')).not.toContain('tap0');
    });

    it.each<[string, () => Promise<unknown>, string]>([
      ['a file that is none', () => host.kernel.openIn({ net: '/dev/null' }, []), 'EINVAL could not enter the network'],
      [
        'an interface that does not exist',
        () => host.kernel.openIn(of('user', 'net'), [tun(), linkUp(999)]),
        'ENODEV could not configure the network there',
      ],
      [
        'a mount of nothing',
        () =>
          host.kernel.openIn(of('user', 'mount'), [
            { kind: 'mount-file', folder: '/nothing', target: '/etc/hosts', text: '' },
          ]),
        'ENOENT could not mount over /etc/hosts there',
      ],
    ])('%s fails with its step, and leaves nothing open', async (_what, attempt, text) => {
      const before = openDescriptors();
      const failure = await attempt().then(
        () => 'it did not fail',
        (error: { code: string; message: string }) => `${error.code} ${error.message}`,
      );
      expect(failure).toContain(text);
      expect(openDescriptors()).toBe(before);
    });

    it('many times, at once: no process and no descriptor stays', async () => {
      const before = openDescriptors();
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          for (const descriptor of await host.kernel.openIn(of('user', 'net'), [tun(), tun()])) descriptor.close();
        }),
      );
      expect(openDescriptors()).toBe(before);
      const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ');
      expect(children).toEqual([String(child.pid)]);
    });
  });
});
