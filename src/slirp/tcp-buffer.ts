/**
 * Bytes between a flow's socket and its guest: read into chunks of the pool, behind the place for their headers, and
 * freed when the guest has acknowledged them. Small reads share a chunk; an idle flow holds none.
 */
import { SOCKET_FAILED, WOULD_BLOCK } from '../net/host.ts';
import { seqAdd, seqDiff, seqMin } from '../wire/index.ts';
import { CHUNK_BYTES, CHUNK_HEADROOM, type Chunk, LARGE_CHUNK_BYTES } from './chunk-pool.ts';
import type { TcpCore } from './tcp-core.ts';
import { hostFailed } from './tcp-end.ts';
import type { TcpFlow } from './tcp-flow.ts';
import { GUEST_SHARE, MAX_WINDOW } from './tcp-limits.ts';

/** A chunk's last bytes are not worth a read. */
const WORTH_READING = 4096;

/** Reads up to `wanted` bytes behind the buffered ones. Returns the bytes read; 0 for none, whatever the reason. */
export function readHost(core: TcpCore, flow: TcpFlow, wanted: number): number {
  const { socket } = flow;
  if (socket === undefined || flow.hostEnd || !flow.readable || !flow.hostConnected) return 0;
  const room = MAX_WINDOW - seqDiff(flow.bufferEnd, flow.sndUna);
  let length = Math.min(room, wanted > flow.mss ? whole(wanted, flow.mss) : wanted);
  if (length <= 0) return 0;
  let chunk = flow.tail;
  let space = spaceOf(chunk, flow.mss);
  if (chunk === undefined || (space < length && space < WORTH_READING)) {
    const fresh = takeChunk(core, flow, length);
    if (fresh !== undefined) {
      chunk = fresh;
      space = spaceOf(chunk, flow.mss);
    } else if (chunk === undefined || space <= 0) {
      core.starve(flow);
      return 0;
    }
  }
  if (length > space) length = space;
  const n = socket.readInto(chunk.bytes, chunk.end, length);
  if (n > 0) {
    if (chunk.end === chunk.start) chunk.seq = flow.bufferEnd;
    chunk.end += n;
    flow.bufferEnd = seqAdd(flow.bufferEnd, n);
    if (n < length) flow.readable = false;
    flow.hasMore = n === length;
    return n;
  }
  releaseEmptyTail(core, flow);
  flow.readable = false;
  if (n === 0) flow.hostEnd = true;
  else if (n === SOCKET_FAILED) hostFailed(core, flow);
  else if (n !== WOULD_BLOCK) core.ip.drop('tcp-read');
  return 0;
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
  const { record } = flow;
  if (record.held + size > pool.limitBytes * GUEST_SHARE && (record.held > 0 || size > CHUNK_BYTES)) return undefined;
  if (flow.held > 0 && flow.held + size - CHUNK_BYTES > pool.freeBytes) return undefined;
  const chunk = pool.take(size);
  if (chunk === undefined) return undefined;
  chunk.seq = flow.bufferEnd;
  if (flow.tail === undefined) flow.head = chunk;
  else flow.tail.next = chunk;
  flow.tail = chunk;
  flow.held += size;
  record.held += size;
  return chunk;
}

/** A chunk taken for a read that brought nothing: an idle flow holds none. */
function releaseEmptyTail(core: TcpCore, flow: TcpFlow): void {
  const tail = flow.tail;
  if (tail === undefined || tail.end > tail.start) return;
  let before: Chunk | undefined;
  for (let at = flow.head; at !== undefined && at !== tail; at = at.next) before = at;
  if (before === undefined) flow.head = undefined;
  else before.next = undefined;
  flow.tail = before;
  giveBack(core, flow, tail);
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
  flow.record.held -= chunk.size;
  core.pool.give(chunk);
}

/** Rounded down to full segments, at least one. */
export function whole(bytes: number, mss: number): number {
  return bytes < mss ? mss : bytes - (bytes % mss);
}
