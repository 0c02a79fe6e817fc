/**
 * What waits for one net client: a share per ingress, served round robin, capped together in frames and bytes. A plain
 * wire has one share. Overflow takes the newest frame of the longest share.
 */
import type { Frame } from './frame.ts';
import { FrameQueue } from './frame-queue.ts';

/** Together the most memory one slow client can hold: 64 frames of 64 KiB. */
export const QUEUE_CAP_BYTES = 4_194_304;
export const QUEUE_CAP_FRAMES = 1024;
/** Above this a sender is told BUSY; below half of it, it is woken. */
export const HIGH_WATER_BYTES = 1_048_576;
export const HIGH_WATER_FRAMES = 256;

/** What waits for all clients of a network: from half of it on, every queue's cap shrinks with what is left. */
export const BUDGET_TOTAL_BYTES = 268_435_456;
/** A queue takes at most this part of what is left, 1/32. */
const BUDGET_SHARE_SHIFT = 5;
/** What a queue may hold even if the budget is used up: a few frames of any size. */
export const QUEUE_RESERVED_BYTES = 262_144;

/** Shared by the queues of one network, so that a thousand clients that read nothing cannot use up the memory. */
export class QueueBudget {
  /** Memory behind the queues. */
  usedBytes = 0;
  readonly #totalBytes: number;

  constructor(totalBytes: number = BUDGET_TOTAL_BYTES) {
    this.#totalBytes = totalBytes;
  }

  get queueCapBytes(): number {
    const share = (this.#totalBytes - this.usedBytes) >> BUDGET_SHARE_SHIFT;
    return Math.min(QUEUE_CAP_BYTES, Math.max(QUEUE_RESERVED_BYTES, share));
  }

  /** Small frames take more memory than their bytes: their number shrinks alike. */
  get queueCapFrames(): number {
    return (this.queueCapBytes * QUEUE_CAP_FRAMES) / QUEUE_CAP_BYTES;
  }
}

/** The share of a half-delivered frame: no client has this serial. */
const NO_INGRESS = 0;

/** What a share takes beside its frames. */
const SHARE_BYTES = 1024;

interface Share {
  ingress: number;
  readonly queue: FrameQueue;
  /** Memory that the budget knows of. */
  memory: number;
}

export class FairQueue {
  readonly #budget: QueueBudget;
  readonly #shares: Share[] = [];
  /** Kept for the next ingress, so that a queue that fills and empties all the time allocates nothing. */
  #spare: Share | undefined;
  #cursor = 0;
  #frames = 0;
  #bytes = 0;
  /** Segments of the current head that were delivered already. */
  resume = 0;
  /** The head is being delivered at this moment: it neither waits nor may be dropped. */
  held = false;
  /** Counts clear(): who held the head learns that it is gone. */
  generation = 0;

  constructor(budget: QueueBudget) {
    this.#budget = budget;
  }

  get frames(): number {
    return this.#frames;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Frames that wait whole: the head does not count once a part of it was delivered, or while it is. */
  get waiting(): number {
    return this.resume > 0 || this.held ? this.#frames - 1 : this.#frames;
  }

  get isHigh(): boolean {
    return this.#frames > this.#highWaterFrames || this.#bytes > this.#highWaterBytes;
  }

  get isLow(): boolean {
    return this.#frames <= this.#highWaterFrames / 2 && this.#bytes <= this.#highWaterBytes / 2;
  }

  get #highWaterFrames(): number {
    return (this.#budget.queueCapFrames * HIGH_WATER_FRAMES) / QUEUE_CAP_FRAMES;
  }

  get #highWaterBytes(): number {
    return (this.#budget.queueCapBytes * HIGH_WATER_BYTES) / QUEUE_CAP_BYTES;
  }

  /**
   * Copies a frame behind its share, then drops from the longest share until the caps hold.
   * @returns how many frames were dropped; negative when the new one is among them.
   */
  push(frame: Frame): number {
    return this.#add(this.#share(frame.ingress), frame);
  }

  /**
   * Copies a frame whose delivery has begun in front of all others: its turn was before theirs.
   * @param resume the segment to go on with, more than 0. @returns as push().
   */
  pushFirst(frame: Frame, resume: number): number {
    // Known before the caps are looked at: a half-delivered head is never dropped.
    this.resume = resume;
    const share: Share = { ingress: NO_INGRESS, queue: new FrameQueue(), memory: 0 };
    this.#shares.splice(this.#cursor, 0, share);
    return this.#add(share, frame);
  }

  /** Points `into` at the next frame in turn. Valid until shift() or push(). */
  peek(into: Frame): boolean {
    const share = this.#shares[this.#cursor];
    return share?.queue.peek(into) ?? false;
  }

  /** Forgets the frame that peek() showed and passes the turn on. */
  shift(): void {
    const share = this.#shares[this.#cursor];
    if (share === undefined) return;
    const before = share.queue.bytes;
    share.queue.shift();
    this.#frames--;
    this.#bytes += share.queue.bytes - before;
    this.resume = 0;
    if (share.queue.length === 0) this.#retire(this.#cursor);
    else this.#cursor++;
    if (this.#cursor >= this.#shares.length) this.#cursor = 0;
  }

  /** Empties it. @returns how many whole frames are gone. */
  clear(): number {
    const gone = this.waiting;
    for (const share of this.#shares) {
      share.queue.clear();
      this.#account(share, 0);
    }
    this.#shares.length = 0;
    this.#frames = 0;
    this.#bytes = 0;
    this.#cursor = 0;
    this.resume = 0;
    this.held = false;
    this.generation++;
    return gone;
  }

  #add(share: Share, frame: Frame): number {
    // What waits already stays when the cap shrinks.
    const cap = Math.max(this.#bytes, this.#budget.queueCapBytes);
    const capFrames = Math.max(this.#frames, this.#budget.queueCapFrames);
    share.queue.push(frame);
    this.#frames++;
    this.#bytes += frame.length;
    this.#account(share, share.queue.footprint + SHARE_BYTES);
    if (this.#frames <= capFrames && this.#bytes <= cap) return 0;
    let dropped = 0;
    let own = false;
    while (this.#frames > capFrames || this.#bytes > cap) {
      const longest = this.#longest(this.#frames > capFrames);
      if (longest === share) own = true;
      this.#dropNewest(longest);
      dropped++;
    }
    return own ? -dropped : dropped;
  }

  #account(share: Share, memory: number): void {
    this.#budget.usedBytes += memory - share.memory;
    share.memory = memory;
  }

  #share(ingress: number): Share {
    for (const share of this.#shares) if (share.ingress === ingress) return share;
    const share = this.#spare ?? { ingress, queue: new FrameQueue(), memory: 0 };
    this.#spare = undefined;
    share.ingress = ingress;
    this.#shares.push(share);
    return share;
  }

  #longest(byFrames: boolean): Share {
    const head = this.resume > 0 || this.held ? this.#shares[this.#cursor] : undefined;
    let longest: Share | undefined;
    let most = -1;
    for (const share of this.#shares) {
      if (share === head && share.queue.length === 1) continue;
      const size = byFrames ? share.queue.length : share.queue.bytes;
      if (size > most) {
        most = size;
        longest = share;
      }
    }
    return longest as Share;
  }

  #dropNewest(share: Share): void {
    const before = share.queue.bytes;
    share.queue.pop();
    this.#frames--;
    this.#bytes += share.queue.bytes - before;
    if (share.queue.length === 0) this.#retire(this.#shares.indexOf(share));
  }

  #retire(index: number): void {
    const share = this.#shares[index] as Share;
    this.#account(share, 0);
    this.#shares.splice(index, 1);
    this.#spare = share;
    if (index < this.#cursor) this.#cursor--;
    if (this.#cursor >= this.#shares.length) this.#cursor = 0;
  }
}
