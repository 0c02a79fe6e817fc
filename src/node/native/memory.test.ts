/** Shared memory: mappings, what happens when their file is truncated, copies between arrays. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { describeNative } from '../../../tests/kit/native.ts';
import { addon } from '../../../tests/kit/native-host.ts';
import { runScript } from '../../../tests/kit/native-script.ts';

const READ_WRITE = 3;
const SHARED = 1;
const FIXED = 0x10;
const PAGE = 4096;

function memfd(length: number): number {
  const { calls } = addon();
  const fd = calls.memfd_create('netyard-test', 0);
  expect(fd).toBeGreaterThan(0);
  expect(calls.ftruncate(fd, length)).toBe(0);
  return fd;
}

const mapped = (fd: number, length: number): ArrayBuffer => {
  const buffer = addon().map(fd, length, READ_WRITE, SHARED, 0);
  if (typeof buffer === 'number') throw new RangeError(`map: ${buffer}`);
  return buffer;
};

const name = (result: ArrayBuffer | number): string =>
  typeof result === 'number' && result < 0 ? addon().errnoName(-result) : 'fine';

describeNative('memory', () => {
  it('is the same in two mappings of one file', () => {
    const fd = memfd(2 * PAGE);
    const one = new Uint8Array(mapped(fd, 2 * PAGE));
    const two = mapped(fd, 2 * PAGE);
    one[PAGE] = 42;
    expect(new Uint8Array(two)[PAGE]).toBe(42);
    expect(addon().wasTruncated(two)).toBe(false);
    expect(addon().unmap(two)).toBe(0);
    expect(two.byteLength).toBe(0);
    expect(name(addon().unmap(two))).toBe('EINVAL');
    expect(one[PAGE]).toBe(42);
    addon().unmap(one.buffer as ArrayBuffer);
    addon().calls.close(fd);
  });

  it('refuses what could end the process, and gives back a number for what the kernel refuses', () => {
    const { map, calls } = addon();
    const fd = memfd(PAGE);
    expect(name(map(fd, PAGE, 1, SHARED, 0))).toBe('EINVAL');
    expect(name(map(fd, PAGE, 7, SHARED, 0))).toBe('EINVAL');
    expect(name(map(fd, PAGE, READ_WRITE, SHARED | FIXED, 0))).toBe('EINVAL');
    expect(name(map(fd, 0, READ_WRITE, SHARED, 0))).toBe('EINVAL');
    expect(name(map(fd, -1, READ_WRITE, SHARED, 0))).toBe('EINVAL');
    expect(name(map(fd, PAGE, READ_WRITE, SHARED, 17))).toBe('EINVAL');
    expect(name(map(-1, PAGE, READ_WRITE, SHARED, 0))).toBe('EBADF');
    calls.close(fd);
  });

  it('says so when a buffer would be too large for V8', () => {
    const fd = memfd(PAGE);
    const before = addon().map(fd, 2 ** 53 - 1, READ_WRITE, SHARED, 0);
    expect(name(before)).toBe('ENOMEM');
    const large = addon().map(fd, 6 * 2 ** 30, READ_WRITE, SHARED, 0);
    if (typeof large === 'number') expect(name(large)).toBe('ENOMEM');
    else addon().unmap(large);
    addon().calls.close(fd);
  });

  it('is detached and unmapped with its last view, many times over', () => {
    const fd = memfd(PAGE);
    for (let i = 0; i < 3000; i++) addon().unmap(mapped(fd, PAGE));
    addon().calls.close(fd);
  });

  it('cannot be taken apart by a buffer that is not a mapping', () => {
    expect(name(addon().unmap(new ArrayBuffer(8)))).toBe('EINVAL');
    expect(() => addon().unmap(new Uint8Array(8) as unknown as ArrayBuffer)).toThrow(TypeError);
  });

  it('reads as zeros where the file was truncated, and says so', () => {
    const script = `
      const fd = addon.calls.memfd_create('t', 0);
      addon.calls.ftruncate(fd, 8192);
      const buffer = addon.map(fd, 8192, 3, 1, 0);
      const other = addon.map(fd, 4096, 3, 1, 0);
      const bytes = new Uint8Array(buffer).fill(7);
      addon.calls.ftruncate(fd, 4096);
      const seen = [bytes[0], bytes[5000], addon.wasTruncated(buffer), addon.wasTruncated(other)];
      bytes[6000] = 9;
      seen.push(bytes[6000], addon.unmap(buffer));
      const third = addon.map(fd, 4096, 3, 1, 0);
      addon.calls.ftruncate(fd, 0);
      const to = new Uint8Array(4096).fill(1);
      addon.copyBatch(to, new Uint8Array(third), Int32Array.of(0, 0, 4096), 1);
      seen.push(to[4095], addon.wasTruncated(third), addon.calls.write(fd, new Uint8Array(other), 0, 4096));
      console.log(JSON.stringify(seen));`;
    const { stdout, stderr, status, signal } = runScript(script);
    expect({ stderr, status, signal }).toEqual({ stderr: '', status: 0, signal: null });
    const EFAULT = 14;
    const seen = JSON.parse(stdout) as unknown[];
    expect(seen.slice(0, 8)).toEqual([7, 0, true, false, 9, 0, 0, true]);
    expect(seen[8]).toBe(-EFAULT);
  });

  it('leaves other bus errors as deadly as they are', () => {
    const script = `
      const fd = addon.calls.memfd_create('t', 0);
      addon.calls.ftruncate(fd, 4096);
      addon.map(fd, 4096, 3, 1, 0);
      process.kill(process.pid, 'SIGBUS');
      setTimeout(() => console.log('alive'), 1000);`;
    expect(runScript(script).signal).toBe('SIGBUS');
  });
});

describeNative('copyBatch', () => {
  const from = Uint8Array.from({ length: 16 }, (_, i) => i);

  it('copies all of them, overlapping ones too', () => {
    const to = new Uint8Array(8);
    expect(addon().copyBatch(to, from, Int32Array.of(0, 4, 4, 12, 0, 2), 2)).toBe(2);
    expect([...to]).toEqual([12, 13, 0, 0, 0, 1, 2, 3]);
    const same = from.slice();
    addon().copyBatch(same, same, Uint32Array.of(0, 1, 15), 1);
    expect([...same.subarray(0, 4)]).toEqual([0, 0, 1, 2]);
  });

  it('checks all of them first', () => {
    const to = new Uint8Array(8);
    const wrong: [Int32Array | Uint32Array, number][] = [
      [Int32Array.of(0, 0, 4, 0, 8, 1), 2],
      [Int32Array.of(0, 0, 4, 13, 0, 4), 2],
      [Int32Array.of(0, 0, -1), 1],
      [Int32Array.of(-1, 0, 2), 1],
      [Uint32Array.of(0xffffffff, 0, 0xffffffff), 1],
      [Int32Array.of(0, 0, 4), 2],
      [Int32Array.of(0, 0, 4), -1],
      [Int32Array.of(0, 0, 4), 2 ** 53],
    ];
    for (const [copies, count] of wrong) {
      expect(() => addon().copyBatch(to, from, copies, count)).toThrow();
      expect(to.every((byte) => byte === 0)).toBe(true);
    }
  });
});

const canLoad = process.getuid?.() === 0 && spawnSync('true').status === 0;

describeNative('bpf', () => {
  const MAP_CREATE = 0;
  const LOOKUP = 1;
  const UPDATE = 2;
  const PROG_LOAD = 5;
  const OBJ_GET_INFO = 15;
  const attributes = (...words: number[]): Uint8Array => new Uint8Array(Uint32Array.from(words).buffer);

  it('permits no other command, attribute or pointer', () => {
    const { bpf } = addon();
    expect(name(bpf(OBJ_GET_INFO, attributes(0), []))).toBe('EPERM');
    expect(() => bpf(PROG_LOAD, new Uint8Array(128), [])).toThrow(RangeError);
    expect(() => bpf(PROG_LOAD, attributes(1), [80, new Uint8Array(8)])).toThrow(RangeError);
    expect(() => bpf(MAP_CREATE, attributes(2), [0, new Uint8Array(8)])).toThrow(RangeError);
    expect(() => bpf(MAP_CREATE, attributes(2), [0])).toThrow(RangeError);
  });

  it('wants windows for all that the kernel reads and writes', () => {
    const { bpf } = addon();
    const license = new TextEncoder().encode('GPL\0');
    const program = attributes(6, 3);
    expect(() => bpf(PROG_LOAD, program, [8, new Uint8Array(16), 16, license])).toThrow(RangeError);
    expect(() => bpf(PROG_LOAD, program, [8, new Uint8Array(24), 16, license.subarray(0, 3)])).toThrow(RangeError);
    const logged = attributes(6, 1, 0, 0, 0, 0, 1, 4096);
    expect(() => bpf(PROG_LOAD, logged, [8, new Uint8Array(8), 16, license, 32, new Uint8Array(4095)])).toThrow(
      RangeError,
    );
  });

  describe.skipIf(!canLoad)('as root', () => {
    it('makes a map, fills it and looks into it', ({ skip }) => {
      const { bpf, calls } = addon();
      const ARRAY = 2;
      const map = bpf(MAP_CREATE, attributes(ARRAY, 4, 8, 4), []);
      if (name(map) === 'EPERM' || name(map) === 'ENOSYS') skip('no bpf(2) here');
      expect(map).toBeGreaterThan(0);
      const key = attributes(2);
      const value = attributes(11, 22);
      const out = new Uint8Array(8);
      expect(bpf(UPDATE, attributes(map), [8, key, 16, value])).toBe(0);
      expect(bpf(LOOKUP, attributes(map), [16, out, 8, key])).toBe(0);
      expect(out).toEqual(value);
      expect(() => bpf(LOOKUP, attributes(map), [8, key, 16, new Uint8Array(7)])).toThrow(RangeError);
      expect(() => bpf(LOOKUP, attributes(map), [8, new Uint8Array(3), 16, out])).toThrow(RangeError);
      expect(name(bpf(LOOKUP, attributes(map), [8, key]))).toBe('EFAULT');
      calls.close(map);
      expect(name(bpf(LOOKUP, attributes(map), [8, key, 16, out]))).toBe('EBADFD');
    });

    it("loads a program, with the verifier's words where it is refused", ({ skip }) => {
      const { bpf, calls } = addon();
      const XDP = 6;
      const license = new TextEncoder().encode('GPL\0');
      const passes = Uint8Array.of(0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);
      const program = bpf(PROG_LOAD, attributes(XDP, 2), [8, passes, 16, license]);
      if (name(program) === 'EPERM' || name(program) === 'ENOSYS') skip('no bpf(2) here');
      expect(program).toBeGreaterThan(0);
      calls.close(program);
      const log = new Uint8Array(4096);
      const wrong = bpf(PROG_LOAD, attributes(XDP, 1, 0, 0, 0, 0, 1, 4096), [
        8,
        passes.subarray(8),
        16,
        license,
        32,
        log,
      ]);
      expect(wrong).toBeLessThan(0);
      expect(new TextDecoder().decode(log)).toContain('R0 !read_ok');
    });
  });
});
