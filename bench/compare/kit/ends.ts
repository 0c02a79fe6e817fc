/**
 * The two ends of a measurement as plain blocking system calls, so that the program between them is what is measured:
 *
 *   ends.ts MODE ARGUMENTS...
 *
 * Prints `ready` when the other end may come, and its result as one line of JSON.
 */
import { setPriority } from 'node:os';
import type { NativeBinding } from '../../../src/node/native/binding.ts';
import { loadNative } from '../../../src/node/native/load.ts';

const AF_UNIX = 1;
const AF_INET = 2;
const STREAM = 1;
const DGRAM = 2;
const CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_RCVBUF = 8;
const SO_RCVTIMEO = 20;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const WAITFORONE = 0x10000;
/** Nothing for this long: the other end is gone, or frames were lost at the end. Seconds. */
const PATIENCE = 5;

const binding = (() => {
  const loaded = loadNative();
  if ('reason' in loaded) throw new Error(loaded.reason);
  return loaded.binding;
})();
const { calls } = binding;

/** @throws Error naming the call */
function must(result: number, call: string): number {
  if (result < 0) throw new Error(`${call}: ${binding.errnoName(-result)}`);
  return result;
}

const say = (result: unknown): void => void process.stdout.write(`${JSON.stringify(result)}\n`);
const ready = (): void => void process.stdout.write('ready\n');

function inet(host: string, port: number): Uint8Array {
  const address = new Uint8Array(16);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port);
  address.set(host.split('.').map(Number), 4);
  return address;
}

function unix(path: string): Uint8Array {
  const address = new Uint8Array(110);
  address[0] = AF_UNIX;
  address.set(new TextEncoder().encode(path), 2);
  return address;
}

const addressOf = (host: string, port: number): Uint8Array => (host.startsWith('/') ? unix(host) : inet(host, port));

function open(address: Uint8Array, type: number): number {
  return must(calls.socket(address[0] as number, type | CLOEXEC, 0), 'socket');
}

function impatient(fd: number, seconds = PATIENCE): number {
  const time = new Uint8Array(16);
  new DataView(time.buffer).setBigInt64(0, BigInt(seconds), true);
  must(calls.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, time, 0, 16), 'SO_RCVTIMEO');
  return fd;
}

function connect(host: string, port: number, type = STREAM): number {
  const address = addressOf(host, port);
  const fd = open(address, type);
  must(calls.connect(fd, address, 0, address.length), 'connect');
  if (type === STREAM && address[0] === AF_INET) must(calls.setsockoptInt(fd, IPPROTO_TCP, TCP_NODELAY, 1), 'nodelay');
  return fd;
}

function bound(host: string, port: number, type: number): number {
  const address = addressOf(host, port);
  const fd = open(address, type);
  calls.setsockoptInt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  must(calls.bind(fd, address, 0, address.length), 'bind');
  return fd;
}

function listening(host: string, port: number): number {
  const fd = bound(host, port, STREAM);
  must(calls.listen(fd, 4096), 'listen');
  ready();
  return fd;
}

const accept = (fd: number): number => {
  const accepted = must(calls.accept4(fd, CLOEXEC), 'accept');
  calls.setsockoptInt(accepted, IPPROTO_TCP, TCP_NODELAY, 1);
  return accepted;
};

/** Gives every connection one byte and closes it. */
function connectionServer(host: string, port: number): void {
  const byte = new Uint8Array(1);
  for (const fd = listening(host, port); ; ) {
    const one = accept(fd);
    calls.send(one, byte, 0, 1, 0);
    calls.close(one);
  }
}

/** Connects, waits for the byte and the end, and closes. */
function connectionClient(host: string, port: number, seconds: number): void {
  const byte = new Uint8Array(1);
  const end = performance.now() + seconds * 1000;
  let count = 0;
  let failed = 0;
  while (performance.now() < end) {
    const fd = impatient(connect(host, port));
    if (calls.recv(fd, byte, 0, 1, 0) === 1 && calls.recv(fd, byte, 0, 1, 0) === 0) count++;
    else failed++;
    calls.close(fd);
  }
  say({ count, failed, seconds });
}

/** What measures time must not wait for its turn behind the load: that would be measured too. */
function foremost<T>(run: () => T): T {
  setPriority(-10);
  return run();
}

/** Echoes on one connection after the other. */
function echoServer(host: string, port: number): void {
  const bytes = new Uint8Array(65_536);
  for (const fd = listening(host, port); ; ) {
    const one = accept(fd);
    for (let n = 1; n > 0; ) {
      n = calls.recv(one, bytes, 0, bytes.length, 0);
      if (n > 0) calls.send(one, bytes, 0, n, 0);
    }
    calls.close(one);
  }
}

/** Round trips of one byte, microseconds; at most one a `pauseMs`. */
async function latencyClient(host: string, port: number, seconds: number, pauseMs: number): Promise<void> {
  const byte = new Uint8Array(1);
  const fd = impatient(connect(host, port));
  const samples: number[] = [];
  for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
    const begin = performance.now();
    must(calls.send(fd, byte, 0, 1, 0), 'send');
    if (must(calls.recv(fd, byte, 0, 1, 0), 'recv') !== 1) throw new Error('the connection ended');
    samples.push((performance.now() - begin) * 1000);
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  samples.sort((a, b) => a - b);
  const at = (q: number): number => samples[Math.min(samples.length - 1, Math.floor(samples.length * q))] as number;
  say({ count: samples.length, p50: at(0.5), p99: at(0.99), max: at(1) });
}

const BATCH = 64;
/** Before counting starts: sockets' buffers fill, code gets compiled. Seconds; the sender goes on for a second more. */
const WARM_UP = 0.4;

type Batch = Parameters<NativeBinding['sendBatch']>[1];

function batch(size: number): Batch {
  return {
    bytes: new Uint8Array(BATCH * size),
    offset: Int32Array.from({ length: BATCH }, (_, i) => i * size),
    length: new Int32Array(BATCH).fill(size),
    addresses: new Uint8Array(BATCH * 128),
    addressLength: new Int32Array(BATCH),
    ttl: new Uint8Array(BATCH),
    tos: new Uint8Array(BATCH),
  };
}

function blast(fd: number, size: number, seconds: number, family: number, frame?: Uint8Array): number {
  const sending = batch(size);
  if (frame !== undefined) for (let i = 0; i < BATCH; i++) sending.bytes.set(frame, i * size);
  let count = 0;
  for (const end = performance.now() + seconds * 1000; performance.now() < end; ) {
    const sent = binding.sendBatch(fd, sending, 0, BATCH, 0, family);
    // ENOBUFS and ECONNREFUSED (the far end is done) are what such a sender meets.
    if (sent > 0) count += sent;
  }
  return count;
}

interface Received {
  readonly count: number;
  readonly seconds: number;
  /** With those of the warm-up. */
  readonly total: number;
}

/** Counts for `seconds`, once datagrams come and the way is warm. */
function countDatagrams(fd: number, size: number, seconds: number): Received {
  const receiving = batch(Math.max(size, 64) + 64);
  const room = receiving.length.slice();
  const receive = (): number => {
    receiving.length.set(room);
    return binding.receiveBatch(fd, receiving, BATCH, WAITFORONE);
  };
  while (receive() <= 0);
  let warmUp = 0;
  for (const warm = performance.now() + WARM_UP * 1000; performance.now() < warm; ) warmUp += Math.max(0, receive());
  const begin = performance.now();
  let count = 0;
  while (performance.now() - begin < seconds * 1000) count += Math.max(0, receive());
  return { count, seconds: (performance.now() - begin) / 1000, total: warmUp + count };
}

/** `to` undefined: waits for a datagram that says where to send. */
function udpSend(host: string, port: number, size: number, seconds: number, waits: boolean): void {
  let fd: number;
  if (waits) {
    fd = bound(host, port, DGRAM);
    ready();
    const first = batch(size + 64);
    must(binding.receiveBatch(fd, first, 1, 0), 'recvmmsg');
    must(calls.connect(fd, first.addresses, 0, 16), 'connect');
  } else {
    fd = connect(host, port, DGRAM);
  }
  say({ sent: blast(fd, size, seconds, AF_INET) });
}

function udpReceive(host: string, port: number, size: number, seconds: number, asks: boolean): void {
  const fd = asks ? connect(host, port, DGRAM) : bound(host, port, DGRAM);
  calls.setsockoptInt(fd, SOL_SOCKET, SO_RCVBUF, 4 << 20);
  impatient(fd, 1);
  if (asks) must(calls.send(fd, new Uint8Array(1), 0, 1, 0), 'send');
  else ready();
  say(countDatagrams(fd, size, seconds));
}

/** Echoes a byte of each connection and keeps it; then, asked by a first byte of 1, reads and sends `bulk` on each. */
function flowServer(host: string, port: number, flows: number, bulk: number): void {
  const bytes = new Uint8Array(65_536);
  const fd = listening(host, port);
  const kept: number[] = [];
  while (kept.length < flows) {
    const one = impatient(accept(fd), 60);
    if (calls.recv(one, bytes, 0, 1, 0) !== 1) throw new Error('a flow ended');
    calls.send(one, bytes, 0, 1, 0);
    kept.push(one);
  }
  // Whoever asks for more says so on each flow, in order; for a minute nobody may.
  for (const one of kept) {
    impatient(one, 3600);
    for (let left = bulk; left > 0; ) left -= must(calls.recv(one, bytes, 0, bytes.length, 0), 'recv') || left;
    for (let left = bulk; left > 0; ) left -= must(calls.send(one, bytes, 0, Math.min(left, bytes.length), 0), 'send');
  }
  setInterval(() => {}, 1 << 30);
}

async function flowClient(host: string, port: number, flows: number, bulk: number): Promise<void> {
  const bytes = new Uint8Array(65_536);
  const kept: number[] = [];
  while (kept.length < flows) {
    const one = impatient(connect(host, port), 10);
    must(calls.send(one, bytes, 0, 1, 0), 'send');
    if (must(calls.recv(one, bytes, 0, 1, 0), 'recv') !== 1) throw new Error('a flow ended');
    kept.push(one);
  }
  say({ flows: kept.length });
  for await (const _ of process.stdin) {
    for (const one of kept) {
      for (let left = bulk; left > 0; )
        left -= must(calls.send(one, bytes, 0, Math.min(left, bytes.length), 0), 'send');
      for (let left = bulk; left > 0; ) left -= must(calls.recv(one, bytes, 0, bytes.length, 0), 'recv') || left;
    }
    say({ bulk });
  }
}

/** An Ethernet frame of an experimental type. */
function frame(size: number, to: number, from: number): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set([2, 0, 0, 0, to >> 8, to & 255, 2, 0, 0, 0, from >> 8, from & 255, 0x88, 0xb5]);
  return bytes;
}

const RECEIVER = 1;
const SENDER = 2;
/** Bytes of one write of a stream's sender: as a program that batches does it. */
const WRITE = 262_144;

function framed(size: number, to: number, from: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count * (4 + size));
  for (let i = 0; i < count; i++) {
    new DataView(bytes.buffer).setUint32(i * (4 + size), size);
    bytes.set(frame(size, to, from), i * (4 + size) + 4);
  }
  return bytes;
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += must(calls.send(fd, bytes, at, bytes.length - at, 0), 'send');
}

function streamSend(path: string, size: number, seconds: number): void {
  const fd = connect(path, 0);
  const block = framed(size, RECEIVER, SENDER, Math.floor(WRITE / (4 + size)));
  let blocks = 0;
  for (const end = performance.now() + seconds * 1000; performance.now() < end; blocks++) writeAll(fd, block);
  say({ sent: (blocks * block.length) / (4 + size) });
}

/** Shows its address first, so that the switch knows the way. */
function streamReceive(path: string, size: number, seconds: number): void {
  const fd = impatient(connect(path, 0));
  writeAll(fd, framed(64, SENDER, RECEIVER, 1));
  ready();
  const bytes = new Uint8Array(WRITE);
  const receive = (): number => must(calls.recv(fd, bytes, 0, bytes.length, 0), 'recv');
  let warmUp = receive();
  for (const warm = performance.now() + WARM_UP * 1000; performance.now() < warm; ) warmUp += receive();
  const begin = performance.now();
  let count = 0;
  while (performance.now() - begin < seconds * 1000) count += receive();
  const took = (performance.now() - begin) / 1000;
  say({ count: count / (4 + size), seconds: took, total: (warmUp + count) / (4 + size) } satisfies Received);
}

/** Guests that only show their addresses, from 16 on: each a port of the switch. */
function streamIdle(path: string, count: number): void {
  for (let i = 0; i < count; i++) writeAll(connect(path, 0), framed(64, RECEIVER, 16 + i, 1));
  ready();
  setInterval(() => {}, 1 << 30);
}

/** A port of a vde_switch, connected both ways. Its path goes with the benchmark's directory. */
function vdePort(directory: string, own: string): { fd: number; control: number } {
  const fd = bound(own, 0, DGRAM);
  const control = impatient(connect(`${directory}/ctl`, 0));
  const request = new Uint8Array(12 + 110 + 5);
  const view = new DataView(request.buffer);
  view.setUint32(0, 0xfeedface, true);
  view.setUint32(4, 3, true);
  request.set(unix(own), 12);
  request.set(new TextEncoder().encode('bench'), 122);
  must(calls.send(control, request, 0, request.length, 0), 'send');
  const reply = new Uint8Array(110);
  must(calls.recv(control, reply, 0, reply.length, 0), 'recv');
  must(calls.connect(fd, reply, 0, reply.length), 'connect');
  return { fd, control };
}

function vdeSend(directory: string, own: string, size: number, seconds: number): void {
  const { fd } = vdePort(directory, own);
  say({ sent: blast(fd, size, seconds, AF_UNIX, frame(size, RECEIVER, SENDER)) });
}

function vdeReceive(directory: string, own: string, size: number, seconds: number): void {
  const { fd } = vdePort(directory, own);
  impatient(fd);
  must(calls.send(fd, frame(64, SENDER, RECEIVER), 0, 64, 0), 'send');
  ready();
  say(countDatagrams(fd, size, seconds));
}

const [, , mode = '', first = '', ...rest] = process.argv;
const [a = 0, b = 0, c = 0, d = 0] = rest.map(Number);
const MODES: Readonly<Record<string, () => void | Promise<void>>> = {
  'connection-server': () => connectionServer(first, a),
  'connection-client': () => connectionClient(first, a, b),
  'echo-server': () => foremost(() => echoServer(first, a)),
  'latency-client': () => foremost(() => latencyClient(first, a, b, c)),
  'udp-send': () => udpSend(first, a, b, c, d === 1),
  'udp-receive': () => udpReceive(first, a, b, c, d === 1),
  'flow-server': () => flowServer(first, a, b, c),
  'flow-client': () => flowClient(first, a, b, c),
  'stream-send': () => streamSend(first, a, b),
  'stream-receive': () => streamReceive(first, a, b),
  'stream-idle': () => streamIdle(first, a),
  'vde-send': () => vdeSend(first, rest[0] ?? '', b, c),
  'vde-receive': () => vdeReceive(first, rest[0] ?? '', b, c),
};
await MODES[mode]?.();
