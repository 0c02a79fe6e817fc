/**
 * A guest's TCP connection as a model of its own: it shares no code with the stack but the segment codec. Simple and
 * plain on purpose: what was received and what was acknowledged are lists of ranges, rebuilt at every change, so its
 * answers are right by inspection. Retransmission by timer, three duplicate ACKs and SACK holes.
 */
import type { Timer } from '../../src/net/host.ts';
import type { IpAddress } from '../../src/slirp/ip-layer.ts';
import type { Segment, TcpLink } from './tcp-link.ts';

const FIN = 1;
const SYN = 2;
const RST = 4;
const PSH = 8;
const ACK = 16;
const RTO_MS = 300;

export interface GuestTcpOptions {
  remote: IpAddress;
  remotePort: number;
  guestPort: number;
  /** The link's guest unless given. */
  guest?: IpAddress;
  /** The port it comes in by. */
  ingress?: number;
  /** Begins here; near the wrap by default. */
  iss?: number;
  mss?: number;
  windowShift?: number;
  sack?: boolean;
  /** Receive buffer, bytes: the window. */
  window?: number;
}

export type GuestState = 'syn-sent' | 'listening' | 'open' | 'reset' | 'done';

export class GuestTcp {
  readonly link: TcpLink;
  readonly options: Required<GuestTcpOptions>;
  state: GuestState;
  #buffer = new Uint8Array(65536);
  #length = 0;
  /** What the application has not read counts against the window; false: it never reads. */
  reading = true;
  #held = 0;
  finReceived = false;
  finAcked = false;
  /** Segments sent, retransmissions included. */
  sent = 0;
  resent = 0;
  readonly segments: Segment[] = [];
  onReceive: (bytes: Uint8Array) => void = () => {};

  #iss: number;
  #irs = 0;
  /** Offsets in the stream, the SYN not counted. */
  #una = 0;
  #next = 0;
  #highest = 0;
  #peerShift = 0;
  #peerWindow = 0;
  #peerSack = false;
  peerMss = 536;
  #out = new Uint8Array(0);
  #outLength = 0;
  #fin = false;
  #sacked: Range[] = [];
  #duplicates = 0;
  /** Received behind a gap. */
  #early: Range[] = [];
  #finAt = -1;
  readonly #timer: Timer;
  #lastEarly = 0;

  constructor(link: TcpLink, options: GuestTcpOptions) {
    this.link = link;
    this.options = {
      iss: 0xffff_f000,
      mss: 1460,
      windowShift: 7,
      sack: true,
      window: 262_144,
      guest: link.guest,
      ingress: 1,
      ...options,
    };
    this.#iss = this.options.iss;
    this.state = 'listening';
    this.#timer = link.host.timers.create(() => this.#timeout());
  }

  /** Everything received in order. */
  get received(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  get bytesAcked(): number {
    return Math.min(this.#una, this.#outLength);
  }

  get isConnected(): boolean {
    return this.state === 'open';
  }

  connect(): void {
    this.state = 'syn-sent';
    this.#sendSyn();
    this.#timer.set(this.link.host.clock.now() + 1000);
  }

  /** Queues bytes. */
  write(bytes: Uint8Array): void {
    const grown = new Uint8Array(this.#outLength + bytes.length);
    grown.set(this.#out.subarray(0, this.#outLength));
    grown.set(bytes, this.#outLength);
    this.#out = grown;
    this.#outLength = grown.length;
    this.#push();
  }

  /** FIN after everything queued. */
  end(): void {
    this.#fin = true;
    this.#push();
  }

  reset(): void {
    this.#emit(this.#next, RST | ACK);
    this.#stop('reset');
  }

  /** Forgets everything, silently: the machine lost power. */
  vanish(): void {
    this.#stop('done');
    this.onSegment = () => {};
  }

  /** The application reads what it had left. */
  resumeReading(): void {
    this.reading = true;
    this.#held = 0;
    this.#acknowledge();
  }

  /** A segment for somebody else is ignored. */
  onSegment = (segment: Segment): void => {
    const { guestPort, remotePort } = this.options;
    if (segment.destinationPort !== guestPort || segment.sourcePort !== remotePort) return;
    this.segments.push(segment);
    if (this.state === 'done' || this.state === 'reset') return;
    if ((segment.flags & RST) !== 0) {
      this.#stop('reset');
      return;
    }
    if ((segment.flags & SYN) !== 0) {
      this.#takeSyn(segment);
      return;
    }
    if (this.state === 'listening' || this.state === 'syn-sent') return;
    if ((segment.flags & ACK) !== 0) this.#takeAck(segment);
    if (segment.payload.length > 0 || (segment.flags & FIN) !== 0) this.#takeData(segment);
    else if (((segment.seq - this.#rcv()) | 0) < 0) this.#acknowledge();
    this.#push();
    if (this.finAcked && this.finReceived) this.#stop('done');
  };

  #takeSyn(segment: Segment): void {
    if (this.state === 'open') {
      this.#acknowledge();
      return;
    }
    this.#irs = segment.seq;
    this.#peerShift = Math.max(segment.options.windowShift, 0);
    this.#peerSack = segment.options.sackPermitted;
    if (segment.options.mss !== 0) this.peerMss = segment.options.mss;
    this.#peerWindow = segment.window;
    if (segment.options.windowShift < 0) this.options.windowShift = -1;
    this.state = 'open';
    this.#timer.cancel();
    if ((segment.flags & ACK) === 0) this.#sendSyn();
    else this.#acknowledge();
    this.#push();
  }

  #takeAck(segment: Segment): void {
    const acked = (segment.ack - this.#iss - 1) | 0;
    if (acked < 0 || acked > this.#highest) return;
    this.#peerWindow = segment.window << this.#peerShift;
    if (this.#peerSack) {
      for (let i = 0; i < segment.options.sackCount; i++) {
        const from = (segment.options.sack[2 * i]! - this.#iss - 1) | 0;
        const to = (segment.options.sack[2 * i + 1]! - this.#iss - 1) | 0;
        if (to > from) this.#sacked = merge(this.#sacked, from, to);
      }
    }
    if (acked > this.#una) {
      this.#una = acked;
      this.#sacked = this.#sacked.filter(([, to]) => to > acked);
      this.#duplicates = 0;
      if (this.#next < acked) this.#next = acked;
      if (this.#fin && acked > this.#outLength) this.finAcked = true;
      this.#arm();
    } else if (acked === this.#una && this.#highest > this.#una && segment.payload.length === 0) {
      this.#duplicates++;
      if (this.#duplicates % 3 === 0) this.#resendHoles();
    }
  }

  /** Up to ten segments that were not reported. */
  #resendHoles(): void {
    let budget = 10;
    let at = this.#una;
    const limit = this.#sacked.at(-1)?.[1] ?? at + 1;
    while (budget-- > 0 && at < limit && at < this.#outLength) {
      for (const [from, to] of this.#sacked) if (at >= from && at < to) at = to;
      if (at >= limit) return;
      if (at >= this.#highest || at >= this.#outLength) return;
      at += this.#sendData(at);
      this.resent++;
    }
    if (at >= this.#outLength && this.#fin && this.#highest > this.#outLength) this.#emit(this.#outLength, FIN | ACK);
  }

  #takeData(segment: Segment): void {
    const start = (segment.seq - this.#irs - 1) | 0;
    const room = this.options.window - this.#held;
    const from = Math.max(start, this.#length);
    const to = Math.min(start + segment.payload.length, this.#length + room);
    if (from < to) {
      this.#reserve(to);
      this.#buffer.set(segment.payload.subarray(from - start, to - start), from);
      this.#early = merge(this.#early, from, to);
    }
    if ((segment.flags & FIN) !== 0) this.#finAt = start + segment.payload.length;
    this.#lastEarly = start;
    const first = this.#early[0];
    if (first !== undefined && first[0] === this.#length) {
      const before = this.#length;
      this.#early.shift();
      this.#length = first[1];
      if (!this.reading) this.#held += this.#length - before;
      this.onReceive(this.#buffer.slice(before, this.#length));
    }
    if (this.#finAt === this.#length) this.finReceived = true;
    this.#acknowledge();
  }

  #reserve(length: number): void {
    if (length <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(length, this.#buffer.length * 2));
    grown.set(this.#buffer);
    this.#buffer = grown;
  }

  #rcv(): number {
    return (this.#irs + 1 + this.#length + (this.finReceived ? 1 : 0)) >>> 0;
  }

  #acknowledge(): void {
    this.#emit(this.#next, ACK);
  }

  #push(): void {
    if (this.state !== 'open') return;
    for (;;) {
      const window = this.#una + this.#peerWindow - this.#next;
      if (this.#next < this.#outLength && window > 0) {
        const n = this.#sendData(this.#next, window);
        this.#next += n;
        this.#highest = Math.max(this.#highest, this.#next);
        this.#arm();
      } else if (this.#fin && this.#next === this.#outLength) {
        this.#emit(this.#next, FIN | ACK);
        this.#next++;
        this.#highest = Math.max(this.#highest, this.#next);
        this.#arm();
      } else {
        if (this.#next < this.#outLength) this.#arm();
        return;
      }
    }
  }

  #sendData(at: number, window = Number.MAX_SAFE_INTEGER): number {
    const n = Math.min(this.peerMss, this.options.mss, this.#outLength - at, window);
    this.#emit(at, ACK | PSH, this.#out.slice(at, at + n));
    return n;
  }

  #timeout(): void {
    if (this.state === 'syn-sent') {
      this.#sendSyn();
      this.#timer.set(this.link.host.clock.now() + 1000);
      return;
    }
    if (this.state !== 'open') return;
    this.resent++;
    if (this.#una < this.#outLength) {
      // One byte asks a shut window.
      const shut = this.#peerWindow === 0;
      const n = this.#sendData(this.#una, shut ? 1 : Number.MAX_SAFE_INTEGER);
      this.#highest = Math.max(this.#highest, this.#una + n);
      if (this.#next < this.#una + n) this.#next = this.#una + n;
    } else if (this.#fin && !this.finAcked) {
      this.#emit(this.#outLength, FIN | ACK);
    } else {
      return;
    }
    this.#arm();
  }

  #arm(): void {
    const waiting = this.#una < this.#outLength || (this.#fin && !this.finAcked);
    if (waiting) this.#timer.set(this.link.host.clock.now() + RTO_MS);
    else this.#timer.cancel();
  }

  #stop(state: GuestState): void {
    this.state = state;
    this.#timer.cancel();
  }

  #sendSyn(): void {
    const { mss, windowShift, sack } = this.options;
    const bytes = [2, 4, mss >> 8, mss & 255];
    if (sack) bytes.push(1, 1, 4, 2);
    if (windowShift >= 0) bytes.push(1, 3, 3, windowShift);
    const answer = this.state === 'open';
    this.link.send({
      guest: this.options.guest,
      ingress: this.options.ingress,
      remote: this.options.remote,
      guestPort: this.options.guestPort,
      remotePort: this.options.remotePort,
      seq: this.#iss,
      ack: answer ? (this.#irs + 1) >>> 0 : 0,
      flags: answer ? SYN | ACK : SYN,
      window: Math.min(65535, this.options.window),
      options: Uint8Array.from(bytes),
    });
    this.sent++;
  }

  #emit(at: number, flags: number, payload?: Uint8Array): void {
    const shift = Math.max(this.options.windowShift, 0);
    const window = Math.min(65535, Math.max(0, this.options.window - this.#held) >> shift);
    const fields = {
      guest: this.options.guest,
      ingress: this.options.ingress,
      remote: this.options.remote,
      guestPort: this.options.guestPort,
      remotePort: this.options.remotePort,
      seq: (this.#iss + 1 + at) >>> 0,
      ack: this.#rcv(),
      flags,
      window,
    };
    const blocks = this.options.sack && this.#peerSack ? this.#blocks() : undefined;
    this.sent++;
    this.link.send({
      ...fields,
      ...(blocks === undefined ? {} : { options: blocks }),
      ...(payload === undefined ? {} : { payload }),
    });
  }

  #blocks(): Uint8Array | undefined {
    if (this.#early.length === 0) return undefined;
    const ranges = [...this.#early];
    // The range with the latest segment first.
    ranges.sort((a, b) => Number(holds(b, this.#lastEarly)) - Number(holds(a, this.#lastEarly)));
    const chosen = ranges.slice(0, 3);
    const bytes = new Uint8Array(4 + 8 * chosen.length);
    bytes.set([1, 1, 5, 2 + 8 * chosen.length]);
    const view = new DataView(bytes.buffer);
    for (const [i, [from, to]] of chosen.entries()) {
      view.setUint32(4 + 8 * i, (this.#irs + 1 + from) >>> 0);
      view.setUint32(8 + 8 * i, (this.#irs + 1 + to) >>> 0);
    }
    return bytes;
  }
}

/** From, to (exclusive). */
type Range = [number, number];

const holds = ([from, to]: Range, at: number): boolean => at >= from && at < to;

function merge(ranges: readonly Range[], from: number, to: number): Range[] {
  const apart = ranges.filter((range) => range[1] < from || range[0] > to);
  for (const range of ranges) {
    if (range[1] < from || range[0] > to) continue;
    from = Math.min(from, range[0]);
    to = Math.max(to, range[1]);
  }
  return [...apart, [from, to] as Range].sort((a, b) => a[0] - b[0]);
}
