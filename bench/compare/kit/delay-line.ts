/**
 * Two taps joined by a wire with a delay, for kernels without netem:
 *
 *   delay-line.ts TAP-A TAP-B MILLISECONDS-EACH-WAY [GIGABITS-A-SECOND]
 *
 * Frames of offloads pass whole. A loop of its own, without Node's: epoll there is no finer than a millisecond.
 */
import type { NativeBinding } from '../../../src/node/native/binding.ts';
import { loadNative } from '../../../src/node/native/load.ts';

const O_RDWR_NONBLOCK = 2 | 0o4000 | 0o2000000;
const IFF_TAP_NO_PI_VNET_HDR = 0x0002 | 0x1000 | 0x4000;
/** TUN_F_CSUM, TSO4, TSO6. */
const OFFLOADS = 1 | 2 | 4;
const MAX_FRAME = 70_000;
/** In flight each way; more is lost, as on any wire with a queue. Bytes and frames. */
const CAPACITY = 128 << 20;
const FRAMES = 1 << 17;
/** What may wait in front of a wire that has a rate, milliseconds of it. */
const QUEUE_MS = 10;
/** Longest sleep: what a frame may wait beside its delay. Milliseconds. */
const GRAIN = 0.1;
/** At most this many frames of one side before the other has its turn. */
const BUDGET = 256;

const loaded = loadNative();
if ('reason' in loaded) throw new Error(loaded.reason);
const { calls, ioctls, errnoName } = loaded.binding as NativeBinding;

function tap(name: string): number {
  const fd = calls.open('/dev/net/tun', O_RDWR_NONBLOCK, 0);
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode(name));
  new DataView(request.buffer).setUint16(16, IFF_TAP_NO_PI_VNET_HDR, true);
  for (const result of [fd, ioctls['TUNSETIFF']!(fd, request, 0, 40), ioctls['TUNSETOFFLOAD']!(fd, OFFLOADS)]) {
    if (result < 0) throw new Error(`${name}: ${errnoName(-result)}`);
  }
  return fd;
}

/** One direction: a ring of bytes, a ring of frames. */
class Wire {
  dropped = 0;
  readonly #from: number;
  readonly #to: number;
  readonly #delay: number;
  /** Milliseconds a byte takes. */
  readonly #perByte: number;
  /** When the last frame has left the sender. */
  #sentAt = 0;
  readonly #bytes = new Uint8Array(CAPACITY + MAX_FRAME);
  readonly #at = new Int32Array(FRAMES);
  readonly #length = new Int32Array(FRAMES);
  readonly #due = new Float64Array(FRAMES);
  #first = 0;
  #count = 0;
  /** Where the next frame goes. */
  #end = 0;

  constructor(from: number, to: number, delay: number, gigabits: number) {
    this.#from = from;
    this.#to = to;
    this.#delay = delay;
    this.#perByte = 8 / (gigabits * 1e6);
  }

  /** Whether there may be more. */
  take(now: number): boolean {
    for (let i = 0; i < BUDGET; i++) {
      const length = calls.read(this.#from, this.#bytes, this.#end, MAX_FRAME);
      if (length <= 0) return false;
      const sentAt = Math.max(now, this.#sentAt) + length * this.#perByte;
      if (this.#count === FRAMES || this.#free() < length + MAX_FRAME || sentAt - now > QUEUE_MS) {
        this.dropped++;
        continue;
      }
      const slot = (this.#first + this.#count++) % FRAMES;
      this.#at[slot] = this.#end;
      this.#length[slot] = length;
      this.#sentAt = sentAt;
      this.#due[slot] = sentAt + this.#delay;
      this.#end += length;
      if (this.#end >= CAPACITY) this.#end = 0;
    }
    return true;
  }

  /** When the next one is due. */
  deliver(now: number): number {
    while (this.#count > 0) {
      const due = this.#due[this.#first] as number;
      if (due > now) return due;
      const sent = calls.write(
        this.#to,
        this.#bytes,
        this.#at[this.#first] as number,
        this.#length[this.#first] as number,
      );
      if (sent < 0) this.dropped++;
      this.#first = (this.#first + 1) % FRAMES;
      this.#count--;
    }
    return Number.POSITIVE_INFINITY;
  }

  #free(): number {
    if (this.#count === 0) return CAPACITY;
    const oldest = this.#at[this.#first] as number;
    return oldest >= this.#end ? oldest - this.#end : CAPACITY - this.#end + oldest;
  }
}

const [, , nameA = '', nameB = '', milliseconds = '0', gigabits = 'Infinity'] = process.argv;
const [a, b] = [tap(nameA), tap(nameB)];
const wire = (from: number, to: number): Wire => new Wire(from, to, Number(milliseconds), Number(gigabits));
const wires = [wire(a, b), wire(b, a)];
const sleeper = new Int32Array(new SharedArrayBuffer(4));
process.stdout.write('ready\n');
// Ends with the signal's default action: nothing here needs to be put away.
for (;;) {
  let more = false;
  let next = Number.POSITIVE_INFINITY;
  for (const wire of wires) {
    more = wire.take(performance.now()) || more;
    next = Math.min(next, wire.deliver(performance.now()));
  }
  if (more) continue;
  const pause = Math.min(GRAIN, next - performance.now());
  if (pause > 0) Atomics.wait(sleeper, 0, 0, pause);
}
