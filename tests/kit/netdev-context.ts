/**
 * A NetdevContext without a core: the port records what the driver sends and answers as told. For tests of one driver;
 * netdevCompliance runs drivers on the real core.
 */
import {
  BUSY,
  type ChildPort,
  type Counters,
  type NetClient,
  type NetdevContext,
  type Port,
  type SendResult,
  TAKEN,
} from '../../src/net/client.ts';
import { Frame } from '../../src/net/frame.ts';
import type { Host } from '../../src/net/host.ts';
import { ProtectedAddresses } from '../../src/net/protected-addresses.ts';
import { noTrace } from '../../src/net/trace.ts';
import { QapiError } from '../../src/qapi/error.ts';

export class RecordingPort implements Port {
  readonly name: string;
  readonly counters: Counters = { sentFrames: 0, sentBytes: 0, receivedFrames: 0, receivedBytes: 0, dropped: {} };
  /** Copies of all frames sent, while `keep` is true. */
  readonly frames: Uint8Array[] = [];
  keep = true;
  answer: SendResult = TAKEN;
  linkUp = true;
  readyCalls = 0;
  /** Milliseconds by ingress. */
  readonly charged = new Map<number, number>();
  onReady: () => void = () => {};

  constructor(name: string) {
    this.name = name;
  }

  send(frame: Frame): SendResult {
    this.counters.sentFrames++;
    this.counters.sentBytes += frame.length;
    if (this.keep) this.frames.push(frame.bytes.slice(frame.offset, frame.offset + frame.length));
    return this.answer;
  }

  /** From BUSY back to TAKEN. */
  release(): void {
    if (this.answer !== BUSY) return;
    this.answer = TAKEN;
    this.onReady();
  }

  ready(): void {
    this.readyCalls++;
  }

  carrier(up: boolean): void {
    this.linkUp = up;
  }

  sent(): void {}

  charge(ingress: number, ms: number): void {
    this.charged.set(ingress, (this.charged.get(ingress) ?? 0) + ms);
  }

  nameOf(): undefined {}

  drop(reason: string): void {
    this.counters.dropped[reason] = (this.counters.dropped[reason] ?? 0) + 1;
  }

  claimAddress(): void {}
  ownAddress(): void {}
}

export interface RecordedChild {
  readonly port: RecordingPort;
  readonly client: NetClient;
  readonly kick: () => void;
}

export interface RecordingContext extends NetdevContext {
  readonly protectedAddresses: ProtectedAddresses;
  readonly port: RecordingPort;
  /** `NAME data` of each event, data as JSON. */
  readonly events: string[];
  readonly children: Map<string, RecordedChild>;
  abort(): void;
}

export function createRecordingContext(host: Host, id = 'n0'): RecordingContext {
  const events: string[] = [];
  const children = new Map<string, RecordedChild>();
  const controller = new AbortController();
  return {
    id,
    port: new RecordingPort(id),
    host,
    log: host.log,
    trace: noTrace,
    signal: controller.signal,
    protectedAddresses: new ProtectedAddresses(),
    events,
    children,
    abort: () => controller.abort(),
    emit: (name, data) => events.push(`${name} ${JSON.stringify(data)}`),
    openChild: (name, create, kick): ChildPort => {
      if (children.has(name)) throw new QapiError(`Duplicate ID '${name}'`);
      const port = new RecordingPort(name);
      const child: RecordedChild = { port, client: create(port), kick };
      children.set(name, child);
      return { port, remove: () => children.get(name) === child && children.delete(name) };
    },
    takeDescriptor: (text) => Number(text),
    joinHub: () => {
      throw new QapiError('no hub in this test');
    },
  };
}

/** A frame of `length` bytes whose content depends on `seed`. */
export function testFrame(length: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >>> 8) + seed * 31) & 255;
  return bytes;
}

/** Gives a client a borrowed frame and overwrites it after the call. */
export function give(client: NetClient, bytes: Uint8Array): boolean {
  const frame = new Frame();
  const borrowed = new Uint8Array(bytes.length + 8).fill(0xaa);
  borrowed.set(bytes, 4);
  const taken = client.receive(frame.setPlain(borrowed, 4, bytes.length));
  borrowed.fill(0xee);
  frame.setPlain(new Uint8Array(0), 0, 0);
  return taken;
}

/** The bytes of frames on a stream. */
export function framed(...frames: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(frames.reduce((sum, f) => sum + 4 + f.length, 0));
  let at = 0;
  for (const f of frames) {
    new DataView(out.buffer).setUint32(at, f.length);
    out.set(f, at + 4);
    at += 4 + f.length;
  }
  return out;
}

/** Length and hash of each frame: comparing large frames element by element costs a test seconds. */
export function digests(frames: readonly Uint8Array[]): string[] {
  return frames.map((bytes) => {
    let hash = 0x811c9dc5;
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
    return `${bytes.length}:${(hash >>> 0).toString(16)}`;
  });
}
