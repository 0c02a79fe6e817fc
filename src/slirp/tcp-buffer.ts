/**
 * Bytes between a flow's socket and its guest: read into chunks of the pool, behind the place for their headers, and
 * freed when the guest has acknowledged them. Short reads are moved to small chunks, or behind one another; an idle flow holds none.
 */
import { SOCKET_FAILED, WOULD_BLOCK } from '../net/host.ts';
import { ORPHANS } from '../net/index.ts';
import { seqAdd, seqDiff, seqMin } from '../wire/index.ts';
import { CHUNK_BYTES, CHUNK_HEADROOM, type Chunk, LARGE_CHUNK_BYTES, SMALL_CHUNKS } from './chunk-pool.ts';
import type { TcpCore } from './tcp-core.ts';
import { abort, hostFailed } from './tcp-end.ts';
import type { TcpFlow } from './tcp-flow.ts';
import { MAX_WINDOW } from './tcp-limits.ts';
import { markUrgent } from './tcp-urgent.ts';

/** A chunk's last bytes are not worth a read. */
const WORTH_READING = 4096;
/** What a read brought is moved to less memory up to this length, and up to the second one while memory is plentiful. */
const MOST_MOVED = 16_384 - CHUNK_HEADROOM;
const MOST_MOVED_LIGHTLY = 4096 - CHUNK_HEADROOM;

/** Reads up to `wanted` bytes behind the buffered ones. Returns the bytes read; 0 for none, whatever the reason. */
export function readHost(core: TcpCore, flow: TcpFlow, wanted: number): number {
  const { socket } = flow;
  if (socket === undefined || flow.hostEnd || !flow.readable || !flow.hostConnected) return 0;
  const room = MAX_WINDOW - seqDiff(flow.bufferEnd, flow.sndUna);
  let length = Math.min(room, wanted > flow.mss ? whole(wanted, flow.mss) : wanted);
  if (length <= 0) return 0;
  let chunk = flow.tail;
  let space = spaceOf(chunk, flow.mss);
  let fresh: Chunk | undefined;
  if (chunk === undefined || (space < length && space < WORTH_READING)) {
    fresh = takeChunk(core, flow, length);
    if (fresh !== undefined) {
      chunk = fresh;
      space = spaceOf(chunk, flow.mss);
    } else if (chunk === undefined || space <= 0) {
      core.starve(flow);
      return 0;
    }
  }
  if (length > space) length = space;
  const urgent = socket.isUrgentNext?.() === true;
  const n = socket.readInto(chunk.bytes, chunk.end, urgent ? 1 : length);
  if (n > 0) {
    if (urgent) markUrgent(flow, flow.bufferEnd);
    chunk.end += n;
    if (chunk === fresh) append(flow, n < length ? small(core, flow, fresh, n) : fresh);
    flow.bufferEnd = seqAdd(flow.bufferEnd, n);
    if (n < length) flow.readable = false;
    flow.hasMore = n === length;
    return n;
  }
  if (fresh !== undefined) giveBack(core, flow, fresh);
  flow.readable = false;
  if (n === 0) flow.hostEnd = true;
  else if (n === SOCKET_FAILED) hostFailed(core, flow);
  else if (n !== WOULD_BLOCK) core.ip.drop('tcp-read');
  return 0;
}

/** The chunk's bytes are the flow's last. Undefined: they are already behind those of the last one. */
function append(flow: TcpFlow, chunk: Chunk | undefined): void {
  if (chunk === undefined) return;
  chunk.seq = flow.bufferEnd;
  if (flow.tail === undefined) flow.head = chunk;
  else flow.tail.next = chunk;
  flow.tail = chunk;
}

/**
 * A read that was short: its bytes move to where they take less memory, behind the last ones or to a small chunk, if that
 * costs little, or much of the pool is taken. Undefined: they are behind the last ones.
 */
function small(core: TcpCore, flow: TcpFlow, chunk: Chunk, length: number): Chunk | undefined {
  const { pool } = core;
  if (length > (pool.usedBytes > pool.limitBytes >> 2 ? MOST_MOVED : MOST_MOVED_LIGHTLY)) return chunk;
  const { bytes, start, end } = chunk;
  const { tail } = flow;
  if (tail !== undefined && tail.end + length <= tail.size) {
    tail.bytes.set(bytes.subarray(start, end), tail.end);
    tail.end += length;
    giveBack(core, flow, chunk);
    return undefined;
  }
  const taken = takeSize(core, flow, smallSize(length));
  if (taken === undefined) return chunk;
  taken.bytes.set(bytes.subarray(start, end), taken.end);
  taken.end += length;
  giveBack(core, flow, chunk);
  return taken;
}

function smallSize(length: number): number {
  for (const size of SMALL_CHUNKS) if (length + CHUNK_HEADROOM <= size) return size;
  return CHUNK_BYTES;
}

/** What can be read behind a chunk's bytes, whole segments in all. */
function spaceOf(chunk: Chunk | undefined, mss: number): number {
  if (chunk === undefined) return 0;
  const most = chunk.size - CHUNK_HEADROOM;
  return Math.min(most, whole(most, mss)) - (chunk.end - CHUNK_HEADROOM);
}

/** A large one for a socket that is known to have more, while at least half of the pool is free. */
function takeChunk(core: TcpCore, flow: TcpFlow, wanted: number): Chunk | undefined {
  const { freeBytes, limitBytes } = core.pool;
  if (flow.hasMore && wanted > CHUNK_BYTES && freeBytes > limitBytes >> 1 && freeBytes >= LARGE_CHUNK_BYTES) {
    const large = takeSize(core, flow, LARGE_CHUNK_BYTES);
    if (large !== undefined) return large;
  }
  return takeSize(core, flow, CHUNK_BYTES);
}

function takeSize(core: TcpCore, flow: TcpFlow, size: number): Chunk | undefined {
  const { pool } = core;
  if (!pool.leavesRoom(flow.held, size)) return undefined;
  if (!pool.allows(flow.ingress, size)) reclaim(core, flow.ingress, size);
  const chunk = pool.take(size, flow.ingress);
  if (chunk !== undefined) flow.held += size;
  return chunk;
}

/** What guests hold whose port is gone gives way to those that are there. */
function reclaim(core: TcpCore, ingress: number, bytes: number): void {
  const { pool, table } = core;
  for (let flow = table.oldestOf(ORPHANS); flow !== undefined; flow = table.oldestOf(ORPHANS)) {
    if (pool.heldBy(ORPHANS) === 0 || pool.allows(ingress, bytes)) return;
    core.counters.evicted++;
    abort(core, flow, true);
  }
}

/** Frees what the guest has acknowledged. */
export function releaseAcknowledged(core: TcpCore, flow: TcpFlow): void {
  const una = seqMin(flow.sndUna, flow.bufferEnd);
  for (let chunk = flow.head; chunk !== undefined; chunk = flow.head) {
    const done = seqDiff(una, chunk.seq);
    if (done < chunk.end - chunk.start) {
      if (done > 0) {
        chunk.start += done;
        chunk.seq = una;
      }
      return;
    }
    flow.head = chunk.next;
    if (chunk === flow.tail) flow.tail = undefined;
    giveBack(core, flow, chunk);
  }
}

function giveBack(core: TcpCore, flow: TcpFlow, chunk: Chunk): void {
  flow.held -= chunk.size;
  core.pool.give(chunk, flow.ingress);
}

/** Rounded down to full segments, at least one. */
export function whole(bytes: number, mss: number): number {
  return bytes < mss ? mss : bytes - (bytes % mss);
}
