/** A net client that records what it gets. Blocked, it takes nothing until `release`. */
import type { NetClient } from '../../src/net/client.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { Frame } from '../../src/net/frame.ts';
import type { Network } from '../../src/net/network.ts';

export class Probe implements NetClient {
  offloads = 0;
  perFlowBusy = false;
  /** Copies of the frames, in order. */
  readonly frames: Uint8Array[] = [];
  readonly links: boolean[] = [];
  blocked = false;
  readyCalls = 0;
  isClosed = false;
  onReceive: (frame: Frame) => void = () => {};
  endpoint!: Endpoint;

  receive(frame: Frame): boolean {
    if (this.blocked) return false;
    this.frames.push(frame.bytes.slice(frame.offset, frame.offset + frame.length));
    this.onReceive(frame);
    return true;
  }

  release(): void {
    this.blocked = false;
    this.endpoint.ready();
  }

  linkChanged(up: boolean): void {
    this.links.push(up);
  }

  info(): string {
    return 'probe';
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

/** A probe as a live client of a network. */
export function openProbe(network: Network, name: string, driver = 'stream', mac?: number, trusted = false): Probe {
  const probe = new Probe();
  probe.perFlowBusy = driver === 'user';
  probe.endpoint = network.open(name, driver, { isNetdev: driver !== 'nic', mac, trusted });
  probe.endpoint.onReady = () => probe.readyCalls++;
  probe.endpoint.attach(probe);
  return probe;
}

/** Bytes of an Ethernet frame between two small station numbers; 0xff = broadcast. Its contents depend on `mark`. */
export function frameBytes(to: number, from: number, mark = 0, length = 60): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 14; i < length; i++) bytes[i] = (i * 7 + mark * 13 + (i >> 8)) & 0xff;
  if (to === 0xff) bytes.fill(0xff, 0, 6);
  else bytes.set([2, 0, 0, 0, 0, to]);
  bytes.set([2, 0, 0, 0, 0, from], 6);
  // An experimental ethertype: nothing answers it.
  bytes.set([0x88, 0xb5], 12);
  if (length >= 18) bytes.set([mark >>> 24, mark >>> 16, mark >>> 8, mark], 14);
  return bytes;
}

export function plainFrame(bytes: Uint8Array): Frame {
  return new Frame().setPlain(bytes, 0, bytes.length);
}

/** The number frameBytes() was given. */
export function markOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(14);
}

/** 0 when every frame `from` sent is accounted for on the way to `to`. */
export function unaccounted(from: Endpoint, to: Endpoint): number {
  return from.counters.sentFrames - from.sendDropped - to.counters.receivedFrames - to.receiveDropped - to.queuedFrames;
}
