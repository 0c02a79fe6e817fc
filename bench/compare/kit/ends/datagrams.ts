/** Datagrams in batches (sendmmsg, recvmmsg), and the ends that use them over UDP. */
import type { NativeBinding } from '../../../../src/node/native/binding.ts';
import {
  AF_INET,
  binding,
  bound,
  calls,
  connect,
  DGRAM,
  impatient,
  must,
  ready,
  SO_RCVBUF,
  SOL_SOCKET,
  say,
  WAITFORONE,
} from './system.ts';

const BATCH = 64;
/** Before counting starts: sockets' buffers fill, code gets compiled. Seconds; the sender goes on for a second more. */
export const WARM_UP = 0.4;

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

export function blast(fd: number, size: number, seconds: number, family: number, frame?: Uint8Array): number {
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

export interface Received {
  readonly count: number;
  readonly seconds: number;
  /** With those of the warm-up. */
  readonly total: number;
}

/** Counts for `seconds`, once datagrams come and the way is warm. */
export function countDatagrams(fd: number, size: number, seconds: number): Received {
  const receiving = batch(Math.max(size, 64) + 64);
  const room = receiving.length.slice();
  const receive = (): number => {
    receiving.length.set(room);
    return binding.receiveBatch(fd, receiving, BATCH, WAITFORONE, AF_INET);
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
export function udpSend(host: string, port: number, size: number, seconds: number, waits: boolean): void {
  let fd: number;
  if (waits) {
    fd = bound(host, port, DGRAM);
    ready();
    const first = batch(size + 64);
    must(binding.receiveBatch(fd, first, 1, 0, AF_INET), 'recvmmsg');
    must(calls.connect(fd, first.addresses, 0, 16), 'connect');
  } else {
    fd = connect(host, port, DGRAM);
  }
  say({ sent: blast(fd, size, seconds, AF_INET) });
}

export function udpReceive(host: string, port: number, size: number, seconds: number, asks: boolean): void {
  const fd = asks ? connect(host, port, DGRAM) : bound(host, port, DGRAM);
  calls.setsockoptInt(fd, SOL_SOCKET, SO_RCVBUF, 4 << 20);
  impatient(fd, 1);
  if (asks) must(calls.send(fd, new Uint8Array(1), 0, 1, 0), 'send');
  else ready();
  say(countDatagrams(fd, size, seconds));
}
