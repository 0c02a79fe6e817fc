/** The addon's own rules: windows, numbers, tables; many threads; the watcher's turn of the event loop. */
import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { describeNative } from '../../../tests/kit/native.ts';
import { addon, socketPair } from '../../../tests/kit/native-host.ts';
import { runScript } from '../../../tests/kit/native-script.ts';
import { FAILED, READABLE, WRITABLE } from './binding.ts';
import { MSG_DONTWAIT } from './linux.ts';

const STREAM = 1;
const bytes = (length: number): Uint8Array => new Uint8Array(length);
const name = (result: number): string => (result < 0 ? addon().errnoName(-result) : 'fine');
const wait = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describeNative('permitted calls', () => {
  it('move bytes between windows', () => {
    const { calls } = addon();
    const [a, b] = socketPair(STREAM);
    const to = bytes(8);
    expect(calls.writev(a, Uint8Array.of(1, 2, 3), 1, 2, Uint8Array.of(4, 5), 0, 1)).toBe(3);
    expect(calls.readv(b, to, 2, 1, to, 5, 3)).toBe(3);
    expect([...to]).toEqual([0, 0, 2, 0, 0, 3, 4, 0]);
    expect(calls.sendv(a, MSG_DONTWAIT, Uint8Array.of(7), 0, 1, Uint8Array.of(8), 0, 1)).toBe(2);
    expect([calls.recv(b, to, 0, 8, 0), to[0], to[1]]).toEqual([2, 7, 8]);
    expect(calls.send(a, Uint8Array.of(9), 0, 1, 0)).toBe(1);
    expect(calls.recv(b, to, 7, 1, 0)).toBe(1);
    expect(to[7]).toBe(9);
    expect(calls.write(a, to, 0, 0)).toBe(0);
    expect(name(calls.recv(b, to, 0, 8, 0x40))).toBe('EAGAIN');
    calls.close(a);
    expect(calls.read(b, to, 0, 8)).toBe(0);
    calls.close(b);
    expect(name(calls.read(b, to, 0, 8))).toBe('EBADF');
    expect(() => calls.sendv(-1, 0, to)).toThrow(TypeError);
  });

  it('refuse windows that are not inside their array', () => {
    const { calls } = addon();
    const wrong = [
      [0, 9],
      [8, 1],
      [9, 0],
      [-1, 1],
      [1, -1],
      [2 ** 53 - 1, 2 ** 53 - 1],
      [1, 2 ** 32],
    ];
    for (const [offset, length] of wrong as [number, number][]) {
      expect(() => calls.write(-1, bytes(8), offset, length), `${offset} ${length}`).toThrow(RangeError);
      expect(() => calls.readv(-1, bytes(8), 0, 8, bytes(8), offset, length)).toThrow(RangeError);
      expect(() => calls.getsockname(-1, bytes(8), offset, length)).toThrow(RangeError);
    }
    for (const offset of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
      expect(() => calls.write(-1, bytes(8), offset, 0)).toThrow(TypeError);
    }
    expect(() => calls.socketpair(1, 1, 0, bytes(7), 0, 7)).toThrow(RangeError);
    expect(() => calls.readv(-1, ...new Array(9).fill([bytes(1), 0, 1]).flat())).toThrow(TypeError);
    expect(() => calls.readv(-1, bytes(1), 0)).toThrow(TypeError);
  });

  it('treat a detached array as one without bytes', () => {
    const gone = bytes(8);
    structuredClone(gone.buffer, { transfer: [gone.buffer as ArrayBuffer] });
    expect(() => addon().calls.read(-1, gone, 0, 8)).toThrow(RangeError);
    expect(name(addon().calls.read(-1, gone, 0, 0))).toBe('EBADF');
  });

  it('take numbers of 32 bits: none is cut into another descriptor', () => {
    const { calls } = addon();
    expect(() => calls.close(2 ** 32 + 1)).toThrow(RangeError);
    expect(() => calls.close(-(2 ** 32))).toThrow(RangeError);
    expect(name(calls.close(-1))).toBe('EBADF');
  });

  it('open paths without NUL only, and nothing that programs inherit', () => {
    const { calls } = addon();
    expect(() => calls.open('/dev/null\0x', 0, 0)).toThrow(TypeError);
    expect(() => calls.open('x'.repeat(5000), 0, 0)).toThrow(TypeError);
    const { stdout } = runScript(`
      const fds = [addon.calls.open('/dev/null', 0, 0), addon.calls.memfd_create('m', 0)];
      console.log(JSON.stringify(fds.map((fd) => parseInt(/flags:\\s*(\\d+)/.exec(require('fs').readFileSync('/proc/self/fdinfo/' + fd))[1], 8) & 0o2000000)));`);
    expect(JSON.parse(stdout)).toEqual([0o2000000, 0o2000000]);
  });

  it('leave out options that the kernel uses beyond their window', () => {
    const { calls } = addon();
    const left: [number, number, string][] = [
      [1, 26, 'SO_ATTACH_FILTER and SO_GET_FILTER'],
      [1, 51, 'SO_ATTACH_REUSEPORT_CBPF'],
      [1, 60, 'SO_ZEROCOPY'],
      [6, 35, 'TCP_ZEROCOPY_RECEIVE'],
      [0, 64, 'IPT_SO_SET_REPLACE'],
      [41, 64, 'IP6T_SO_SET_REPLACE'],
      [263, 22, 'PACKET_FANOUT_DATA'],
      [283, 4, 'XDP_UMEM_REG'],
      [2 ** 31 - 1, 1, 'a level that nobody has'],
    ];
    const socket = calls.socket(2, 1, 0);
    for (const [level, option, what] of left) {
      expect(name(calls.setsockopt(socket, level, option, bytes(64), 0, 64)), what).toBe('EPERM');
      expect(name(calls.setsockoptInt(socket, level, option, 1)), what).toBe('EPERM');
      expect(name(calls.getsockopt(socket, level, option, bytes(64), 0, 64)), what).toBe('EPERM');
    }
    calls.close(socket);
  });

  it('follow no address in the value of an option', () => {
    const { calls } = addon();
    // struct sock_fprog and its like: a count, then where nothing is mapped.
    const value = bytes(32);
    const fill = (): void => {
      value.fill(0);
      const view = new DataView(value.buffer);
      view.setUint16(0, 1, true);
      view.setBigUint64(8, 0x10n, true);
      view.setBigUint64(16, 0x10n, true);
    };
    for (const [domain, type] of [
      [1, 1],
      [2, 1],
      [2, 2],
      [10, 1],
      [10, 2],
      [16, 3],
    ] as const) {
      for (const level of [0, 1, 6, 17, 40, 41, 58, 255, 263, 270, 282, 283]) {
        for (let option = 0; option < 130; option++) {
          const socket = calls.socket(domain, type | 0o4000, 0);
          fill();
          const answers = [16, 32].map((length) => name(calls.setsockopt(socket, level, option, value, 0, length)));
          fill();
          answers.push(name(calls.getsockopt(socket, level, option, value, 0, 32)));
          expect(answers, `${domain} ${type} ${level} ${option}`).not.toContain('EFAULT');
          calls.close(socket);
        }
      }
    }
  });

  it('use no array that an accessor of their arguments took away', () => {
    const { sendBatch, receiveBatch, bpf } = addon();
    const [a, b] = socketPair(2);
    const batch = (): Record<string, Uint8Array | Int32Array> => ({
      bytes: bytes(64),
      offset: new Int32Array(1),
      length: Int32Array.of(64),
      addresses: bytes(128),
      addressLength: new Int32Array(1),
      ttl: bytes(1),
      tos: bytes(1),
    });
    const take = (array: Uint8Array | Int32Array): void => {
      structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
    };
    for (const victim of ['bytes', 'offset', 'length', 'addresses', 'addressLength', 'ttl', 'tos']) {
      for (const thief of ['bytes', 'offset', 'length', 'addresses', 'addressLength', 'ttl', 'tos']) {
        const arrays = batch();
        const value = arrays[thief];
        const lost = arrays[victim] as Uint8Array;
        Object.defineProperty(arrays, thief, {
          get: () => {
            if (lost.byteLength > 0) take(lost);
            return value;
          },
        });
        // Without offsets it is a batch of none.
        const call = victim === 'offset' ? 'none' : 'some';
        const attempt = (use: () => number): string => {
          try {
            return use() <= 0 ? 'none' : 'some';
          } catch (error) {
            return error instanceof RangeError ? call : String(error);
          }
        };
        expect(attempt(() => sendBatch(a, arrays as never, 0, victim === 'offset' ? 0 : 1, 0x40, 1))).toBe(call);
        expect(attempt(() => receiveBatch(b, arrays as never, victim === 'offset' ? 0 : 1, 0x40, 1))).toBe(call);
      }
    }
    const insns = bytes(64);
    const list: (number | Uint8Array)[] = [8, insns, 16, bytes(8)];
    Object.defineProperty(list, 3, {
      get: () => {
        take(insns);
        return Uint8Array.of(71, 0);
      },
    });
    const load = bytes(32);
    new Uint32Array(load.buffer).set([1, 8]);
    expect(() => bpf(5, load, list)).toThrow(RangeError);
    for (const fd of [a, b]) addon().calls.close(fd);
  });

  it('want the size of the structure for an ioctl', () => {
    const { ioctls } = addon();
    expect(() => ioctls['TUNSETIFF']?.(-1, bytes(41), 0, 41)).toThrow(RangeError);
    expect(() => ioctls['TUNSETIFF']?.(-1, bytes(41), 2, 40)).toThrow(RangeError);
    expect(() => ioctls['TUNGETFEATURES']?.(-1, bytes(8), 0, 3)).toThrow(RangeError);
    expect(name(ioctls['TUNSETIFF']?.(-1, bytes(40), 0, 40) ?? 0)).toBe('EBADF');
  });
});

describeNative('descriptors over sockets', () => {
  it('arrive as many as were sent; what does not fit is closed, and said', () => {
    const { calls, sendDescriptors, receiveDescriptors } = addon();
    const before = readdirSync('/proc/self/fd').length;
    const [a, b] = socketPair(STREAM);
    const file = calls.open('/dev/null', 0, 0);
    expect(sendDescriptors(a, bytes(1), 0, 1, Int32Array.of(file, file, file), 3)).toBe(1);
    const passed = new Int32Array(4);
    expect(receiveDescriptors(b, bytes(1), 0, 1, passed)).toBe(1);
    expect([...passed.subarray(0, 2)]).toEqual([2, 1]);
    for (const fd of [a, b, file, passed[2] ?? -1, passed[3] ?? -1]) expect(calls.close(fd)).toBe(0);
    expect(readdirSync('/proc/self/fd').length).toBe(before);
    expect(() => sendDescriptors(a, bytes(1), 0, 1, new Int32Array(1), 2)).toThrow(RangeError);
    expect(() => receiveDescriptors(a, bytes(1), 0, 1, new Int32Array(1))).toThrow(RangeError);
  });
});

describeNative('the watcher', () => {
  it('says all of one poll in one call, before immediates', async () => {
    const { calls, createWatcher } = addon();
    const ready = new Int32Array(16);
    const order: string[] = [];
    const watcher = createWatcher(ready, (count) => order.push([...ready.subarray(0, 2 * count)].join(' ')));
    const events = [1, 2].map(() => calls.eventfd2(1, 0));
    // From here on the test runs among immediates: the next poll comes before the next of them.
    await wait();
    const handles = events.map((fd, i) => watcher.add(fd, 7 + i, READABLE));
    setImmediate(() => order.push('immediate'));
    await wait();
    await wait();
    expect(order.slice(0, 2)).toEqual(['7 1 8 1', 'immediate']);
    for (const handle of handles) watcher.remove(handle);
    watcher.close();
    for (const fd of events) calls.close(fd);
  });

  it('loses nothing when more is ready than fits', async () => {
    const { calls, createWatcher } = addon();
    const ready = new Int32Array(5);
    const seen = new Set<number>();
    const watcher = createWatcher(ready, (count) => {
      expect(count).toBeLessThanOrEqual(2);
      for (let i = 0; i < count; i++) {
        const token = ready[2 * i] as number;
        seen.add(token);
        watcher.change(handles[token] as number, token, 0);
      }
    });
    const events = Array.from({ length: 9 }, () => calls.eventfd2(1, 0));
    const handles = events.map((fd, i) => watcher.add(fd, i, READABLE));
    for (let i = 0; i < 30 && seen.size < 9; i++) await wait();
    expect(seen.size).toBe(9);
    watcher.close();
    for (const fd of events) calls.close(fd);
  });

  it.each([
    ['taken away', 'structuredClone(ready.buffer, { transfer: [ready.buffer] })'],
    ['made smaller', 'ready.buffer.resize(4)'],
    ['made nothing', 'ready.buffer.resize(0)'],
  ])('writes to no array that was %s, and is closed by it', (_how, change) => {
    const { stdout, stderr, status, signal } = runScript(
      `
      const ready = new Int32Array(new ArrayBuffer(1 << 16, { maxByteLength: 1 << 17 }));
      let calls = 0;
      const watcher = addon.createWatcher(ready, () => { if (++calls === 3) setImmediate(after); });
      for (let i = 0; i < 200; i++) watcher.add(addon.calls.eventfd2(1, 0), 0x41414141, 1);
      const after = () => {
        const before = calls;
        ${change};
        for (let i = 0; i < 5; i++) gc();
        const others = Array.from({ length: 300 }, () => new Int32Array(1 << 14));
        setTimeout(() => {
          console.log(calls > 0, calls - before, others.filter((other) => other.includes(0x41414141)).length, watcher.add(0, 0, 1) < 0);
          watcher.close();
        }, 20);
      };
      `,
      ['env', 'NODE_OPTIONS=--expose-gc'],
    );
    expect({ stdout, stderr, status, signal }).toEqual({
      stdout: 'true 0 0 true\n',
      stderr: '',
      status: 0,
      signal: null,
    });
  });

  it('tells every failure, of which each comes only once', async () => {
    const { calls, createWatcher } = addon();
    const ready = new Int32Array(4);
    const failed: number[] = [];
    const watcher = createWatcher(ready, (count) => {
      for (let i = 0; i < count; i++)
        if (((ready[2 * i + 1] as number) & FAILED) !== 0) failed.push(ready[2 * i] as number);
    });
    const pairs = Array.from({ length: 9 }, () => socketPair(STREAM));
    for (const [i, [a]] of pairs.entries()) watcher.add(a, i, READABLE);
    await wait();
    // What it has not read makes the end of a unix socket an error of the other.
    for (const [a, b] of pairs) {
      calls.write(a, Uint8Array.of(1), 0, 1);
      calls.close(b);
    }
    for (let i = 0; i < 30 && failed.length < 9; i++) await wait();
    expect(failed.sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    watcher.close();
    for (const [a] of pairs) calls.close(a);
  });

  it('says that the peer hung up, and refuses what it cannot watch', async () => {
    const { calls, createWatcher } = addon();
    const ready = new Int32Array(8);
    let got = 0;
    const watcher = createWatcher(ready, () => {
      got |= ready[1] as number;
    });
    const [a, b] = socketPair(STREAM);
    watcher.add(a, 1, WRITABLE | FAILED);
    calls.close(b);
    for (let i = 0; i < 10 && (got & FAILED) === 0; i++) await wait();
    expect(got & FAILED).toBe(FAILED);
    expect(name(watcher.add(a, 2, READABLE))).toBe('EEXIST');
    expect(name(watcher.add(-1, 2, READABLE))).toBe('EBADF');
    expect(name(watcher.add(100_000, 2, READABLE))).toBe('EBADF');
    expect(name(watcher.change(77, 2, READABLE))).toBe('EBADF');
    watcher.close();
    expect(name(watcher.add(a, 2, READABLE))).toBe('EBADF');
    calls.close(a);
  });

  it('a method belongs to its watcher, whatever it is called on, and outlives its object', () => {
    const { status, stdout } = runScript(`
      require('node:v8').setFlagsFromString('--expose-gc');
      const gc = require('node:vm').runInNewContext('gc');
      const ready = new Int32Array(8);
      let add, change;
      (() => { const watcher = addon.createWatcher(ready, () => {}); ({ add, change } = watcher); })();
      setTimeout(() => {
        for (let i = 0; i < 10; i++) gc();
        setTimeout(() => {
          const fd = addon.calls.eventfd2(0, 0);
          const handle = add.call({}, fd, 1, 1);
          console.log(handle >= 0, change.call(undefined, handle, 2, 1), -add(fd, 2, 1));
          try { add.call({}, fd); } catch (error) { console.log(error.name); }
          process.exit();
        }, 20);
      }, 20);`);
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'true 0 17\nTypeError\n' });
  });

  it('keeps the process alive only while something is watched', () => {
    const { status, stdout } = runScript(`
      const ready = new Int32Array(8);
      const watcher = addon.createWatcher(ready, () => { console.log('ready'); watcher.remove(handle); });
      const handle = watcher.add(addon.calls.eventfd2(1, 0), 1, 1);`);
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'ready\n' });
  });

  it('hands what a handler throws to the process', () => {
    const { status, stderr } = runScript(`
      addon.createWatcher(new Int32Array(8), () => { throw new Error('from a handler'); }).add(addon.calls.eventfd2(1, 0), 1, 1);`);
    expect(status).toBe(1);
    expect(stderr).toContain('from a handler');
  });
});

describeNative('threads', () => {
  it('load it, are busy in it, and are ended at any moment', () => {
    const worker = `
      const { parentPort } = require('node:worker_threads');
      const ready = new Int32Array(64);
      const fds = [];
      const watcher = addon.createWatcher(ready, (count) => { turns += count; });
      let turns = 0;
      for (let i = 0; i < 50; i++) fds.push(addon.calls.eventfd2(1, 0));
      fds.forEach((fd, i) => watcher.add(fd, i, 1));
      const memory = addon.calls.memfd_create('w', 0);
      addon.calls.ftruncate(memory, 8192);
      const kept = addon.map(memory, 8192, 3, 1, 0);
      new Uint8Array(kept).fill(1);
      if (MODE === 'exit') setTimeout(() => process.exit(), 20);
      if (MODE === 'close') setTimeout(() => watcher.close(), 20);
      parentPort.postMessage('up');`;
    const script = `
      const { Worker } = require('node:worker_threads');
      const text = ${JSON.stringify(worker)};
      let round = 0;
      const next = async () => {
        if (round++ === 12) return console.log('done');
        const workers = ['exit', 'close', 'terminate'].map((mode) => new Worker(
          'const addon = require(' + JSON.stringify(addonPath) + '); const MODE = ' + JSON.stringify(mode) + ';' + text, { eval: true }));
        const ended = Promise.all(workers.map((one) => new Promise((resolve) => one.once('exit', resolve))));
        await Promise.all(workers.map((one) => new Promise((resolve) => one.once('message', resolve))));
        setTimeout(() => workers[2].terminate(), round * 3);
        await ended;
        next();
      };
      next();`;
    const { status, signal, stdout, stderr } = runScript(script);
    expect({ status, signal, stdout, stderr }).toEqual({ status: 0, signal: null, stdout: 'done\n', stderr: '' });
  });
});
