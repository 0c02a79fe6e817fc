import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeNative } from '../../../tests/kit/native.ts';
import {
  addon,
  batchOf,
  contents,
  createBatch,
  event,
  NativeBench,
  numbered,
  openDescriptors,
  readAll,
  socketPair,
  turns,
} from '../../../tests/kit/native-host.ts';
import { until } from '../../../tests/kit/until.ts';
import { type AdoptedSocket, MAX_PASSED_DESCRIPTORS, type StreamSocket } from '../../net/index.ts';
import { encodeAddress } from './sockaddr.ts';

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_SEQPACKET = 5;

let bench: NativeBench;

beforeEach(() => {
  bench = new NativeBench();
});

afterEach(async () => {
  await bench.close();
});

const adopt = (fd: number, passDescriptors = false): AdoptedSocket => bench.host.sockets.adopt(fd, { passDescriptors });

function adoptStream(fd: number, passDescriptors = false): StreamSocket {
  const adopted = adopt(fd, passDescriptors);
  if (adopted.kind !== 'stream') throw new RangeError(adopted.kind);
  return adopted.socket;
}

/** Sends bytes and as many descriptors of /dev/null. */
function pass(fd: number, bytes: Uint8Array, count: number): void {
  const file = openSync('/dev/null', 'r');
  const sent = addon().sendDescriptors(fd, bytes, 0, bytes.length, new Int32Array(count).fill(file), count);
  closeSync(file);
  expect(sent).toBe(bytes.length);
}

describeNative('adopted descriptors', () => {
  it('a stream: non-blocking and closed on exec from now on, and closed with the socket', async () => {
    const before = openDescriptors();
    const [a, b] = socketPair(SOCK_STREAM);
    addon().calls.fcntlSetCloexec(a, 0);
    const [first, second] = [adoptStream(a), adoptStream(b)];
    expect(addon().calls.fcntlGetFlags(a) & 0o4000).toBe(0o4000);
    expect(readFileSync(`/proc/self/fdinfo/${a}`, 'latin1')).toMatch(/^flags:\s+02\d{6}$/m);
    first.write(numbered(3000), 0, 3000);
    expect(await readAll(second, 3000)).toEqual(Buffer.from(numbered(3000)));
    expect([first.localAddress, first.remoteAddress]).toEqual(new Array(2).fill({ family: 'unix', path: '' }));
    first.close();
    expect(await readAll(second)).toHaveLength(0);
    second.close();
    expect(openDescriptors()).toBe(before);
  });

  it('a stream whose peer is killed: its end or an error, never an exception', async () => {
    const [a, b] = socketPair(SOCK_STREAM);
    const stream = adoptStream(a);
    stream.write(numbered(10), 0, 10);
    await turns(2);
    addon().calls.close(b);
    stream.interest(true, true);
    const events = await event(stream, 'error');
    expect(events.at(-1)).toBe('error');
    expect(stream.error?.code).toBe('ECONNRESET');
  });

  it('a listener: connections come, and its path stays with who made it', async () => {
    const fd = addon().calls.socket(1, SOCK_STREAM, 0);
    const bytes = new Uint8Array(128);
    const at = bench.path('l');
    expect(addon().calls.bind(fd, bytes, 0, encodeAddress(at, bytes, 0))).toBe(0);
    expect(addon().calls.listen(fd, 5)).toBe(0);
    const adopted = adopt(fd);
    if (adopted.kind !== 'listener') throw new RangeError(adopted.kind);
    expect(adopted.listener.address).toEqual(at);
    let accepted: StreamSocket | undefined;
    adopted.listener.onConnection = (socket) => {
      accepted = socket;
    };
    const client = bench.host.sockets.connect(at);
    await event(client, 'connected');
    await until(() => accepted !== undefined);
    expect(accepted?.localAddress).toEqual(at);
    await adopted.listener.close();
    expect(existsSync(at.path)).toBe(true);
  });

  it('a datagram socket: of a pair it knows its peer', async () => {
    const [a, b] = socketPair(SOCK_DGRAM).map((fd) => adopt(fd));
    if (a?.kind !== 'datagram' || b?.kind !== 'datagram') throw new RangeError('no datagram sockets');
    expect(a.socket.sendBatch(batchOf(undefined, numbered(40), numbered(5)))).toBe(2);
    const batch = createBatch(8);
    await until(() => {
      b.socket.interest(true, false);
      return b.socket.receiveBatch(batch) === 2;
    });
    expect(contents(batch)).toEqual([numbered(40), numbered(5)]);
  });

  it("what is no socket of use stays the caller's", () => {
    const file = openSync('/dev/null', 'r');
    const [a, b] = socketPair(SOCK_SEQPACKET);
    const before = openDescriptors();
    for (const [fd, code] of [
      [file, 'ENOTSOCK'],
      [999_999, 'EBADF'],
      [-1, 'EBADF'],
      [1.5, 'EBADF'],
      [a, 'ESOCKTNOSUPPORT'],
    ] as const) {
      expect(() => adopt(fd), code).toThrowError(expect.objectContaining({ code }));
    }
    const [own, other] = socketPair(SOCK_STREAM);
    adoptStream(own);
    expect(() => adopt(own)).toThrowError(expect.objectContaining({ code: 'EBUSY' }));
    expect(openDescriptors()).toBe(before + 2);
    for (const fd of [file, a, b, other]) addon().calls.close(fd);
  });
});

describeNative('passed descriptors', () => {
  it('arrive with their bytes on a listener that takes them, and only there', async () => {
    const listener = await bench.host.sockets.listen(bench.path('p'), { passDescriptors: true });
    let server: StreamSocket | undefined;
    listener.onConnection = (socket) => {
      server = socket;
    };
    const client = bench.host.sockets.connect(listener.address);
    await until(() => server !== undefined && client.localAddress !== undefined);
    const { descriptor } = client as unknown as { descriptor: number };
    pass(descriptor, numbered(10), 2);
    expect(await readAll(server as unknown as StreamSocket, 10)).toEqual(Buffer.from(numbered(10)));
    const taken = server?.takeDescriptors?.() ?? [];
    expect(taken).toHaveLength(2);
    for (const fd of taken) {
      expect(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')).toMatch(/^flags:\s+02/m);
      expect(bench.host.sockets.isPassed?.(fd)).toBe(true);
    }
    const [first = -1, second = -1] = taken;
    bench.host.sockets.closeDescriptor?.(first);
    bench.host.kernel.adopt(second).close();
    expect(taken.map((fd) => bench.host.sockets.isPassed?.(fd))).toEqual([false, false]);
    expect(server?.takeDescriptors?.()).toEqual([]);
    const [plain] = await bench.pair(bench.path('q'));
    expect('takeDescriptors' in plain).toBe(false);
  });

  it('are closed when nobody takes them, and beyond their cap', async () => {
    const before = openDescriptors();
    const [a, b] = socketPair(SOCK_STREAM);
    const stream = adoptStream(b, true);
    for (let i = 0; i < 5; i++) pass(a, numbered(1), 60);
    await readAll(stream, 5);
    expect(openDescriptors()).toBe(before + 2 + MAX_PASSED_DESCRIPTORS);
    expect(bench.host.counters.lostDescriptors).toBe(300 - MAX_PASSED_DESCRIPTORS);
    stream.close();
    addon().calls.close(a);
    expect(openDescriptors()).toBe(before);
    // To a stream that does not take them: the kernel drops them.
    const [c, d] = socketPair(SOCK_STREAM);
    const other = adoptStream(d);
    pass(c, numbered(3), 3);
    await readAll(other, 3);
    expect(openDescriptors()).toBe(before + 2);
    addon().calls.close(c);
  });
});
