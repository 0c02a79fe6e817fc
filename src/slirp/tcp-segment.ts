/**
 * Segments on their way to a guest: headers written in place, in front of the payload where it lies, offload metadata
 * instead of a checksum and of segmentation.
 *
 * The checksum field holds the folded sum of the pseudo header, its length being that of the whole segment, and
 * FRAME_NEEDS_CHECKSUM is set (the convention of virtio_net_hdr). A payload longer than the MSS is one GSO frame.
 */
import { DROPPED, type SendResult } from '../net/client.ts';
import { FRAME_NEEDS_CHECKSUM, GSO_NONE, GSO_TCPV4, GSO_TCPV6 } from '../net/frame.ts';
import {
  emitSackOption,
  emitSynOptions,
  emitTcpHeader,
  fold,
  IP_PROTOCOL_TCP,
  put16,
  seqAdd,
  seqDiff,
  seqLt,
  seqMax,
  TCP_ACK,
  TCP_CHECKSUM_OFFSET,
  TCP_HEADER_LENGTH,
  TCP_SYN,
  TCP_URG,
  TCP_URGENT_OFFSET,
} from '../wire/index.ts';
import { CHUNK_HEADROOM, type Chunk } from './chunk-pool.ts';
import type { GuestPath } from './ip-layer.ts';
import type { TcpCore } from './tcp-core.ts';
import type { TcpFlow } from './tcp-flow.ts';
import { WINDOW_SHIFT } from './tcp-limits.ts';

/** QEMU's hop limit for what it sends without a connection. */
const STRAY_TTL = 255;
/** Of what belongs to a connection. */
export const FLOW_TTL = 64;
export const MAX_WINDOW_FIELD = 65535;
const MAX_IP_PACKET = 65535;
const MAX_ACK_BLOCKS = 4;

/** Largest payload of a segment that the path carries unsplit, for a peer that asked for `wanted` bytes. */
export function segmentSize(path: GuestPath, wanted: number): number {
  const most = largestSegment(path);
  return Math.min(wanted, most);
}

/** What the path's MTU leaves. */
const largestSegment = (path: GuestPath): number => path.mtu - headersOf(path);

const headersOf = (path: GuestPath): number => (path.family === 'ipv4' ? 40 : 60);

/**
 * The MSS to announce. Segments of any length are taken, so a guest may send what its own MTU allows, which is more than
 * the path's where it asks for more: half as many acknowledgments, and its stack makes its segments faster. A guest that
 * is dialled has not asked yet: it is offered all that IP can carry, of which it takes what its MTU allows.
 */
function announcedMss(flow: TcpFlow): number {
  if (flow.forwarded) return MAX_IP_PACKET - headersOf(flow.path);
  return Math.max(largestSegment(flow.path), flow.guestMss);
}

/** Moves the window's right edge on to what there is room for; it never retreats. Returns the window field. */
export function advertise(flow: TcpFlow): number {
  const { socket } = flow;
  let edge = flow.rcvEdge;
  if (socket !== undefined && flow.hostConnected) {
    const room = socket.room();
    if (room >= flow.rcvLimit) {
      edge = seqMax(edge, seqAdd(flow.rcvNxt, flow.rcvLimit));
    } else {
      // Short of room: no window that only fits a sliver (RFC 9293 §3.8.6.2.2).
      const wanted = seqAdd(flow.rcvNxt, room);
      const gain = seqDiff(wanted, edge);
      if (gain >= flow.mss || gain >= flow.rcvLimit >> 1) edge = wanted;
    }
  }
  const open = seqDiff(edge, flow.rcvNxt);
  let units = open >>> flow.rcvShift;
  if (units > MAX_WINDOW_FIELD) units = MAX_WINDOW_FIELD;
  if (seqLt(seqAdd(flow.rcvNxt, units << flow.rcvShift), flow.rcvEdge)) units++;
  if (units > MAX_WINDOW_FIELD) units = MAX_WINDOW_FIELD;
  flow.rcvEdge = seqMax(flow.rcvEdge, seqAdd(flow.rcvNxt, units << flow.rcvShift));
  return units;
}

/** A segment without payload. One with ACK acknowledges all that was received. */
export function sendControl(core: TcpCore, flow: TcpFlow, seq: number, flags: number): SendResult {
  const { scratch, blocks } = core;
  const { path } = flow;
  const at = path.headroom;
  let length = TCP_HEADER_LENGTH;
  let window: number;
  if ((flags & TCP_SYN) !== 0) {
    window = MAX_WINDOW_FIELD;
    const shift = flow.rcvShift === 0 && !flow.forwarded ? -1 : WINDOW_SHIFT;
    const sack = flow.sackOk || flow.forwarded;
    length += emitSynOptions(scratch, at + length, announcedMss(flow), shift, sack);
  } else {
    window = advertise(flow);
    if ((flags & TCP_ACK) !== 0 && flow.sackOk && !flow.assembler.isEmpty) {
      const count = flow.assembler.blocks(blocks, MAX_ACK_BLOCKS);
      length += emitSackOption(scratch, at + length, blocks, count);
    }
  }
  const ack = (flags & TCP_ACK) !== 0 ? flow.rcvNxt : 0;
  if ((flags & TCP_ACK) !== 0) flow.ackPending = false;
  emitTcpHeader(scratch, at, flow.remotePort, flow.guestPort, seq, ack, length, flags, window);
  return transmit(core, path, scratch, at, length, length, 0, flow.tos);
}

/** A segment that belongs to no flow, or ends one: RST in answer to what came. */
export function sendReset(
  core: TcpCore,
  path: GuestPath,
  remotePort: number,
  guestPort: number,
  seq: number,
  ack: number,
  flags: number,
  window = 0,
  ttl: number | undefined = STRAY_TTL,
): void {
  const at = path.headroom;
  emitTcpHeader(core.scratch, at, remotePort, guestPort, seq, ack, TCP_HEADER_LENGTH, flags, window);
  transmit(core, path, core.scratch, at, TCP_HEADER_LENGTH, TCP_HEADER_LENGTH, 0, 0, ttl);
}

/**
 * `length` bytes of a chunk that begin at `offset`; `urgent` is their urgent pointer, 0 = none. The headers displace what
 * lies in front of them, which may be bytes that the guest has not acknowledged yet: those are put back.
 */
export function sendData(
  core: TcpCore,
  flow: TcpFlow,
  seq: number,
  chunk: Chunk,
  offset: number,
  length: number,
  flags: number,
  urgent: number,
): SendResult {
  const { path } = flow;
  const { bytes } = chunk;
  const transport = offset - TCP_HEADER_LENGTH;
  const window = advertise(flow);
  flow.ackPending = false;
  let from = transport - path.headroom;
  if (from < chunk.start) from = chunk.start;
  if (from < CHUNK_HEADROOM) from = CHUNK_HEADROOM;
  const displaced = offset - from;
  if (displaced > 0) for (let i = 0; i < displaced; i++) core.displaced[i] = bytes[from + i]!;
  emitTcpHeader(
    bytes,
    transport,
    flow.remotePort,
    flow.guestPort,
    seq,
    flow.rcvNxt,
    TCP_HEADER_LENGTH,
    urgent > 0 ? flags | TCP_ACK | TCP_URG : flags | TCP_ACK,
    window,
  );
  if (urgent > 0) put16(bytes, transport + TCP_URGENT_OFFSET, urgent);
  const result = transmit(
    core,
    path,
    bytes,
    transport,
    TCP_HEADER_LENGTH,
    TCP_HEADER_LENGTH + length,
    length > flow.mss ? flow.mss : 0,
    flow.tos,
  );
  if (displaced > 0) for (let i = 0; i < displaced; i++) bytes[from + i] = core.displaced[i]!;
  return result;
}

function transmit(
  core: TcpCore,
  path: GuestPath,
  bytes: Uint8Array,
  transport: number,
  headerLength: number,
  length: number,
  gsoSize: number,
  tos: number,
  ttl?: number,
): SendResult {
  const { frame } = core;
  put16(bytes, transport + TCP_CHECKSUM_OFFSET, fold(path.pseudoSum + IP_PROTOCOL_TCP + length));
  path.writeHeaders(bytes, transport, length, IP_PROTOCOL_TCP, tos, ttl);
  frame.bytes = bytes;
  frame.offset = transport - path.headroom;
  frame.length = path.headroom + length;
  frame.flags = FRAME_NEEDS_CHECKSUM;
  frame.gsoType = gsoSize === 0 ? GSO_NONE : path.family === 'ipv4' ? GSO_TCPV4 : GSO_TCPV6;
  frame.gsoSize = gsoSize;
  frame.headerLength = path.headroom + headerLength;
  frame.checksumStart = path.headroom;
  frame.checksumOffset = TCP_CHECKSUM_OFFSET;
  frame.queue = 0;
  core.counters.segmentsOut++;
  const result = path.send(frame);
  if (result === DROPPED) core.counters.frameDropped++;
  return result;
}
