/** Ethernet frames over stream sockets and ports of a vde_switch. */
import { blast, countDatagrams, type Received, WARM_UP } from './datagrams.ts';
import { AF_UNIX, bound, calls, connect, DGRAM, impatient, must, ready, say, unix } from './system.ts';

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

export function streamSend(path: string, size: number, seconds: number): void {
  const fd = connect(path, 0);
  const block = framed(size, RECEIVER, SENDER, Math.floor(WRITE / (4 + size)));
  let blocks = 0;
  for (const end = performance.now() + seconds * 1000; performance.now() < end; blocks++) writeAll(fd, block);
  say({ sent: (blocks * block.length) / (4 + size) });
}

/** Shows its address first, so that the switch knows the way. */
export function streamReceive(path: string, size: number, seconds: number): void {
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
export function streamIdle(path: string, count: number): void {
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

export function vdeSend(directory: string, own: string, size: number, seconds: number): void {
  const { fd } = vdePort(directory, own);
  say({ sent: blast(fd, size, seconds, AF_UNIX, frame(size, RECEIVER, SENDER)) });
}

export function vdeReceive(directory: string, own: string, size: number, seconds: number): void {
  const { fd } = vdePort(directory, own);
  impatient(fd);
  must(calls.send(fd, frame(64, SENDER, RECEIVER), 0, 64, 0), 'send');
  ready();
  say(countDatagrams(fd, size, seconds));
}
