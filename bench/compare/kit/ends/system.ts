/** Blocking sockets over the addon's calls: what each end is made of. */
import { loadNative } from '../../../../src/node/native/load.ts';

export const AF_UNIX = 1;
export const AF_INET = 2;
const STREAM = 1;
export const DGRAM = 2;
const CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
export const SO_RCVBUF = 8;
const SO_RCVTIMEO = 20;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
export const WAITFORONE = 0x10000;
/** Nothing for this long: the other end is gone, or frames were lost at the end. Seconds. */
const PATIENCE = 5;

export const binding = (() => {
  const loaded = loadNative();
  if ('reason' in loaded) throw new Error(loaded.reason);
  return loaded.binding;
})();
export const { calls } = binding;

/** @throws Error naming the call */
export function must(result: number, call: string): number {
  if (result < 0) throw new Error(`${call}: ${binding.errnoName(-result)}`);
  return result;
}

export const say = (result: unknown): void => void process.stdout.write(`${JSON.stringify(result)}\n`);
export const ready = (): void => void process.stdout.write('ready\n');

function inet(host: string, port: number): Uint8Array {
  const address = new Uint8Array(16);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port);
  address.set(host.split('.').map(Number), 4);
  return address;
}

export function unix(path: string): Uint8Array {
  const address = new Uint8Array(110);
  address[0] = AF_UNIX;
  address.set(new TextEncoder().encode(path), 2);
  return address;
}

const addressOf = (host: string, port: number): Uint8Array => (host.startsWith('/') ? unix(host) : inet(host, port));

function open(address: Uint8Array, type: number): number {
  return must(calls.socket(address[0] as number, type | CLOEXEC, 0), 'socket');
}

export function impatient(fd: number, seconds = PATIENCE): number {
  const time = new Uint8Array(16);
  new DataView(time.buffer).setBigInt64(0, BigInt(seconds), true);
  must(calls.setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, time, 0, 16), 'SO_RCVTIMEO');
  return fd;
}

export function connect(host: string, port: number, type = STREAM): number {
  const address = addressOf(host, port);
  const fd = open(address, type);
  must(calls.connect(fd, address, 0, address.length), 'connect');
  if (type === STREAM && address[0] === AF_INET) must(calls.setsockoptInt(fd, IPPROTO_TCP, TCP_NODELAY, 1), 'nodelay');
  return fd;
}

export function bound(host: string, port: number, type: number): number {
  const address = addressOf(host, port);
  const fd = open(address, type);
  calls.setsockoptInt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  must(calls.bind(fd, address, 0, address.length), 'bind');
  return fd;
}

export function listening(host: string, port: number): number {
  const fd = bound(host, port, STREAM);
  must(calls.listen(fd, 4096), 'listen');
  ready();
  return fd;
}

export const accept = (fd: number): number => {
  const accepted = must(calls.accept4(fd, CLOEXEC), 'accept');
  calls.setsockoptInt(accepted, IPPROTO_TCP, TCP_NODELAY, 1);
  return accepted;
};
