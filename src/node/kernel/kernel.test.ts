/** Host.kernel on this machine: descriptors and programs, without any privilege. */
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeNative } from '../../../tests/kit/native.ts';
import { addon, socketPair, turns } from '../../../tests/kit/native-host.ts';
import { until } from '../../../tests/kit/until.ts';
import { SOCKET_FAILED, WOULD_BLOCK } from '../../net/index.ts';
import { createNodeHost, type NodeHost } from '../host.ts';

const SOCK_DGRAM = 2;

let host: NodeHost;
let directory: string;

beforeEach(() => {
  host = createNodeHost();
  directory = mkdtempSync(join(tmpdir(), 'ny-kernel-'));
});

afterEach(async () => {
  await host.close();
  expect([host.openSockets, host.counters.callbackErrors]).toEqual([0, 0]);
  rmSync(directory, { recursive: true });
});

/** An executable file of the shell. */
function script(text: string): string {
  const path = join(directory, 'script');
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return path;
}

it('without the addon there is no kernel, and the error says what to do', async () => {
  const plain = createNodeHost({ native: false });
  expect(() => plain.kernel).toThrow(
    expect.objectContaining({ code: 'ENOTSUP', message: expect.stringContaining('netyard doctor') }),
  );
  await plain.close();
});

describeNative('Host.kernel', () => {
  describe('descriptors', () => {
    it('read and write as they are, one call a message', async () => {
      const [a, b] = socketPair(SOCK_DGRAM).map((number) => host.kernel.adopt(number)) as [
        ReturnType<typeof host.kernel.adopt>,
        ReturnType<typeof host.kernel.adopt>,
      ];
      const bytes = new Uint8Array(100);
      expect(b.read(bytes, 0, 100)).toBe(WOULD_BLOCK);
      expect(a.write(Uint8Array.of(9, 1, 2, 3, 9), 1, 3)).toBe(3);
      expect(a.write2(Uint8Array.of(9, 4), 1, 1, Uint8Array.of(5, 6, 9), 0, 2)).toBe(3);
      expect([b.read(bytes, 10, 90), b.read(bytes, 20, 80), b.read(bytes, 0, 100)]).toEqual([3, 3, WOULD_BLOCK]);
      expect([[...bytes.subarray(10, 13)], [...bytes.subarray(20, 23)]]).toEqual([
        [1, 2, 3],
        [4, 5, 6],
      ]);
      expect(b.error).toBeUndefined();
    });

    it('events are level-triggered, and stop with the interest', async () => {
      const [a, b] = socketPair(SOCK_DGRAM).map((number) => host.kernel.adopt(number)) as [
        ReturnType<typeof host.kernel.adopt>,
        ReturnType<typeof host.kernel.adopt>,
      ];
      const events: string[] = [];
      b.onEvent = (event) => events.push(event);
      b.interest(true, false);
      a.write(new Uint8Array(1), 0, 1);
      await until(() => events.length > 2);
      expect(new Set(events)).toEqual(new Set(['readable']));
      b.interest(false, false);
      await turns(3);
      const count = events.length;
      await turns(3);
      expect(events.length).toBe(count);
      b.interest(false, true);
      await until(() => events.at(-1) === 'writable');
      b.close();
      const closed = events.length;
      await turns(3);
      expect(events.length).toBe(closed);
    });

    it('closed, fail with EBADF, also when the number is somebody else’s by now', () => {
      const [one, two] = socketPair(SOCK_DGRAM);
      const descriptor = host.kernel.adopt(one);
      addon().calls.close(two);
      descriptor.close();
      descriptor.close();
      const reused = openSync('/dev/zero', 'r');
      expect(reused).toBe(Math.min(one, two));
      expect(descriptor.read(new Uint8Array(4), 0, 4)).toBe(SOCKET_FAILED);
      expect(descriptor.error).toMatchObject({ code: 'EBADF', message: 'Bad file descriptor' });
      expect(() => descriptor.ioctl('TUNGETIFF', new Uint8Array(40))).toThrow('Bad file descriptor');
      expect(() => descriptor.interest(true, true)).not.toThrow();
      expect(readFileSync(`/proc/self/fdinfo/${reused}`, 'utf8')).toContain('pos:');
      closeSync(reused);
    });

    it('released, their file is as it was', () => {
      const { calls } = addon();
      const [one, two] = socketPair(SOCK_DGRAM);
      for (const flags of [2, 2 | 0o2000, 2 | 0o4000]) {
        calls.fcntlSetFlags(one, flags);
        const before = calls.fcntlGetFlags(one);
        const descriptor = host.kernel.adopt(one);
        expect(calls.fcntlGetFlags(one)).toBe(flags | 0o4000);
        descriptor.release();
        expect(calls.fcntlGetFlags(one)).toBe(before);
      }
      calls.close(one);
      calls.close(two);
    });

    it('released, stay open and are nobody’s', () => {
      const [one, two] = socketPair(SOCK_DGRAM);
      const descriptor = host.kernel.adopt(one);
      descriptor.interest(true, false);
      descriptor.release();
      expect(host.openSockets).toBe(0);
      expect(descriptor.read(new Uint8Array(4), 0, 4)).toBe(SOCKET_FAILED);
      host.kernel.adopt(one).close();
      addon().calls.close(two);
    });

    it.each([-1, 1.5, Number.NaN, 2 ** 31, 0x7fffffff])('%d is none', (number) => {
      expect(() => host.kernel.adopt(number)).toThrow(expect.objectContaining({ code: 'EBADF' }));
    });

    it('one of this host is not adopted a second time', () => {
      const socket = host.kernel.controlSocket();
      expect(() => host.kernel.adopt(socket.number)).toThrow(expect.objectContaining({ code: 'EBUSY' }));
      socket.close();
    });

    it('ioctls by name; others are none', () => {
      const control = host.kernel.controlSocket();
      const request = new Uint8Array(40);
      request.set(new TextEncoder().encode('lo'));
      control.ioctl('SIOCGIFINDEX', request);
      expect(new DataView(request.buffer).getInt32(16, true)).toBe(1);
      for (const name of ['TIOCSTI', 'toString', '__proto__']) {
        expect(() => control.ioctl(name, 0)).toThrow(expect.objectContaining({ code: 'ENOTTY' }));
      }
      request.fill(0);
      request.set(new TextEncoder().encode('nothing0'));
      expect(() => control.ioctl('SIOCGIFINDEX', request)).toThrow('No such device');
    });

    it('a device that is not there', () => {
      expect(() => host.kernel.open('/dev/nothing')).toThrow(
        expect.objectContaining({ code: 'ENOENT', message: 'No such file or directory' }),
      );
    });

    it('those left open are closed with the host', async () => {
      const before = readdirSync('/proc/self/fd').length;
      const other = createNodeHost();
      const watched = other.kernel.controlSocket();
      watched.interest(true, false);
      other.kernel.controlSocket();
      await other.close();
      expect(other.openSockets).toBe(0);
      await turns(3);
      expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before);
    });
  });

  describe('programs', () => {
    it.each([
      ['exit 0', 0],
      ['exit 1', 256],
      ['exit 3', 768],
      ['kill -KILL $$', 9],
      ['kill -TERM $$', 15],
    ])('the raw wait status: %s', async (line, status) => {
      expect(await host.kernel.run([script(line)])).toEqual({ status });
    });

    it('argv is passed on as it is; descriptors are open from 3 on', async () => {
      const out = join(directory, 'out');
      const [one, two] = socketPair(SOCK_DGRAM).map((number) => host.kernel.adopt(number)) as [
        ReturnType<typeof host.kernel.adopt>,
        ReturnType<typeof host.kernel.adopt>,
      ];
      const text = `echo "$#:$1:$2" >${out}\nreadlink /proc/$$/fd/3 >>${out}`;
      await host.kernel.run([script(text), 'a b', '$HOME'], { descriptors: [two] });
      const [first, second] = readFileSync(out, 'utf8').split('\n') as [string, string];
      expect(first).toBe('2:a b:$HOME');
      expect(second).toMatch(/^socket:/);
      one.close();
      two.close();
    });

    it('one that does not exist, is not executable, or has impossible arguments', async () => {
      await expect(host.kernel.run(['/nonexistent'])).rejects.toMatchObject({ code: 'ENOENT' });
      await expect(host.kernel.run([directory])).rejects.toMatchObject({ code: 'EACCES' });
      await expect(host.kernel.run(['/bin/true', 'a\0b'])).rejects.toHaveProperty('name', 'HostError');
      await expect(host.kernel.run([])).rejects.toHaveProperty('name', 'HostError');
    });

    it('one that does not end is killed', async () => {
      const started = performance.now();
      const reason = new Error('not any more');
      const aborted = host.kernel.run([script('exec sleep 60')], { signal: AbortSignal.timeout(50) });
      await expect(aborted).rejects.toMatchObject({ name: 'TimeoutError' });
      const sleep = ['/bin/sh', '-c', 'exec sleep 60'];
      const controller = new AbortController();
      const helped = host.kernel.receiveDescriptor(() => sleep, 60_000, controller.signal);
      controller.abort(reason);
      await expect(helped).rejects.toBe(reason);
      await expect(host.kernel.receiveDescriptor(() => sleep, 60_000, controller.signal)).rejects.toBe(reason);
      await expect(host.kernel.run([script('exec sleep 60')], { timeoutMs: 100 })).rejects.toMatchObject({
        code: 'ETIMEDOUT',
        message: expect.stringContaining('did not end within 0.1 s'),
      });
      expect(performance.now() - started).toBeLessThan(10_000);
    });

    it.each([
      ['exit 7', 'ended with status 7'],
      ['kill -9 $$', 'was killed by signal 9'],
    ])('a helper that fails: %s', async (line, how) => {
      const helper = script(line);
      await expect(host.kernel.receiveDescriptor(() => [helper], 10_000)).rejects.toMatchObject({
        code: 'EIO',
        message: `${helper} ${how}`,
      });
    });

    it('a helper that does not end is killed, and nothing stays open', async () => {
      const helper = script('exec sleep 60');
      const attempt = () =>
        expect(host.kernel.receiveDescriptor(() => [helper], 50)).rejects.toMatchObject({ code: 'ETIMEDOUT' });
      await attempt();
      const before = readdirSync('/proc/self/fd').length;
      await attempt();
      expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before);
    });
  });
});
