/**
 * Output of a flow towards its guest, one quantum at a time: first what was lost, then new bytes, then the FIN, then an
 * ACK if none went along.
 *
 * The host socket is read only when the guest's window has room, straight into the place from which the frame goes out;
 * everything else stays in the kernel, so back-pressure is end to end. There is no slow start: the link to a guest does
 * not congest. After a loss the congestion window is half of what was in flight, at least ten segments (RFC 6582,
 * RFC 6675 in a simplified form), and grows again by one segment per round trip.
 *
 * Limits: MAX_WINDOW per flow, and of the pool no more chunks than are still free (so a few greedy flows leave room).
 */
import { BUSY, DROPPED } from '../net/client.ts';
import { seqAdd, seqDiff, seqGt, seqLt, seqMax, seqMin, TCP_ACK, TCP_FIN, TCP_PSH } from '../wire/index.ts';
import { readHost, whole } from './tcp-buffer.ts';
import type { TcpCore } from './tcp-core.ts';
import { refreshState } from './tcp-end.ts';
import { flightSize, isSynchronized, NEVER, type TcpFlow, unsentBytes } from './tcp-flow.ts';
import { MAX_RTO_MS, PARK_CHECK_MS } from './tcp-limits.ts';
import { sendControl, sendData } from './tcp-segment.ts';
import { armTimer, startRetransmission } from './tcp-timer.ts';
import { urgentPointer } from './tcp-urgent.ts';

/** Of a GSO frame: what the length field of its IP packet leaves behind the longest headers. */
const MAX_SEGMENT = 65_535 - 60;

/** Bytes that count as on their way: sent, neither reported nor thought lost (RFC 6675 §4). */
export function pipeSize(flow: TcpFlow): number {
  if (flow.scoreboard.isEmpty && !flow.recovering) return flightSize(flow);
  const una = flow.sndUna;
  const lost = seqMax(flow.lossEnd, una);
  const again = seqMin(seqMax(flow.rexmitNext, una), lost);
  let pipe = seqDiff(flow.sndNxt, lost) - flow.scoreboard.sackedBytes(lost, flow.sndNxt);
  pipe += seqDiff(again, una) - flow.scoreboard.sackedBytes(una, again);
  if (!flow.sackOk) pipe -= flow.dupAcks * flow.mss;
  return Math.max(pipe, 0);
}

/** Bytes that may be sent beyond SND.NXT now. */
function usableWindow(flow: TcpFlow): number {
  const offered = flow.sndWnd - flightSize(flow);
  const allowed = flow.cwnd - pipeSize(flow);
  return Math.min(offered, allowed);
}

/** One turn of the round robin. Returns the bytes used of `budget`. */
export function produce(core: TcpCore, flow: TcpFlow, budget: number): number {
  if (core.ip.busyGuests.has(flow.guest)) {
    park(core, flow);
    core.unread.note(flow, flow.readable && !flow.hostEnd);
    // What is known to be readable must not be told again every turn.
    updateInterest(flow);
    return 0;
  }
  if (!isSynchronized(flow)) return 0;
  let used = retransmit(core, flow, budget);
  while (!flow.parked && used + flow.mss <= budget) {
    const sent = sendNew(core, flow, budget - used);
    if (sent <= 0) break;
    used += sent;
  }
  // Reading may have ended the flow.
  if (!isSynchronized(flow)) return used;
  core.unread.note(flow, flow.readable && !flow.hostEnd && used + flow.mss <= budget);
  if (!flow.parked) sendFin(core, flow);
  if (flow.state !== 'TIME-WAIT') {
    if (flow.ackPending && !flow.parked) core.rounds.acknowledgeLast(flow);
    updateInterest(flow);
    armOutput(core, flow);
    return used;
  }
  if (flow.ackPending && !flow.parked) acknowledge(core, flow);
  if (!flow.parked) {
    core.timeWait.enter(flow);
    core.remove(flow);
  }
  return used;
}

/** An ACK of its own, now. */
export function acknowledge(core: TcpCore, flow: TcpFlow): void {
  if (sendControl(core, flow, flow.sndNxt, TCP_ACK) === BUSY) park(core, flow);
}

function park(core: TcpCore, flow: TcpFlow): void {
  core.park(flow);
  if (flow.rexmitAt === NEVER) {
    flow.rexmitAt = core.now() + PARK_CHECK_MS;
    armTimer(flow);
  }
}

function retransmit(core: TcpCore, flow: TcpFlow, budget: number): number {
  let used = 0;
  while (!flow.parked && used < budget) {
    const from = seqMax(flow.rexmitNext, flow.sndUna);
    if (!seqLt(from, flow.lossEnd)) break;
    const start = flow.scoreboard.holeStart(from);
    if (!seqLt(start, flow.lossEnd)) {
      flow.rexmitNext = flow.lossEnd;
      break;
    }
    let allowed = flow.cwnd - pipeSize(flow);
    if (allowed < flow.mss) {
      if (start !== flow.sndUna) break;
      // The segment everything waits for goes out whatever else is in flight.
      allowed = flow.mss;
    }
    if (start === flow.sndUna) flow.rexmitMark = flow.sndNxt;
    if (start === flow.bufferEnd) {
      flow.rexmitNext = flow.sndNxt;
      used += flow.mss;
      core.counters.retransmitted++;
      if (sendControl(core, flow, start, TCP_FIN | TCP_ACK) === BUSY) park(core, flow);
      continue;
    }
    const end = seqMin(flow.scoreboard.holeEnd(start, flow.lossEnd), flow.bufferEnd);
    const length = Math.min(seqDiff(end, start), whole(allowed, flow.mss), whole(budget - used, flow.mss));
    used += sendRange(core, flow, start, length, true);
  }
  return used;
}

/** The last segment again: its ACK, or the SACK that it provokes, tells what was lost (RFC 8985 §7). */
export function probeTail(core: TcpCore, flow: TcpFlow): void {
  const end = seqMin(flow.bufferEnd, flow.sndNxt);
  const length = Math.min(flow.mss, seqDiff(end, flow.sndUna));
  if (length <= 0) {
    if (flow.finSent && !flow.finAcked) sendControl(core, flow, flow.bufferEnd, TCP_FIN | TCP_ACK);
    return;
  }
  const again = flow.rexmitNext;
  sendRange(core, flow, seqAdd(end, -length), length, true);
  flow.rexmitNext = again;
}

/** Sends up to `length` buffered bytes from `seq` on as one frame; at most to the end of their chunk. */
function sendRange(core: TcpCore, flow: TcpFlow, seq: number, length: number, again: boolean): number {
  let chunk = flow.head;
  while (chunk !== undefined && seqDiff(seq, chunk.seq) >= chunk.end - chunk.start) chunk = chunk.next;
  if (chunk === undefined) {
    flow.rexmitNext = flow.lossEnd;
    return 0;
  }
  const skip = seqDiff(seq, chunk.seq);
  let n = Math.min(length, chunk.end - chunk.start - skip, whole(MAX_SEGMENT, flow.mss));
  const urgent = urgentPointer(flow, seq);
  // Who cuts a large frame repeats its pointer in every segment: only one that needs no cutting has one.
  if (urgent > 0) n = Math.min(n, flow.mss, urgent);
  const next = seqAdd(seq, n);
  const push = next === flow.bufferEnd ? TCP_PSH : 0;
  const result = sendData(core, flow, seq, chunk, chunk.start + skip, n, push, urgent);
  if (again) {
    flow.rexmitNext = next;
    // Karn: what was sent twice times nothing.
    flow.timing = false;
    core.counters.retransmitted++;
    // Nobody heard it (the link is down): that says nothing about the guest.
    if (result === DROPPED && flow.retries > 0) flow.retries--;
  } else {
    flow.sndNxt = next;
    core.counters.bytesToGuest += n;
    if (!flow.timing && result !== DROPPED) {
      flow.timing = true;
      flow.rttSeq = next;
      flow.rttAt = core.now();
    }
  }
  if (result === BUSY) park(core, flow);
  return n;
}

/** New bytes: what was read and not sent, else straight from the socket. Returns 0 when nothing can go. */
function sendNew(core: TcpCore, flow: TcpFlow, budget: number): number {
  const usable = usableWindow(flow);
  if (usable <= 0) return 0;
  // No silly segments (RFC 9293 §3.8.6.2.1): a full one, or half of the guest's largest window, or nothing is in flight.
  const silly = usable < flow.mss && usable < flow.maxSndWnd >> 1 && flightSize(flow) > 0;
  let unsent = unsentBytes(flow);
  if (unsent === 0) {
    if (silly) return 0;
    unsent = readHost(core, flow, Math.min(usable, budget));
    if (unsent <= 0) return 0;
  }
  if (silly && usable < unsent) return 0;
  const length = Math.min(unsent, whole(usable, flow.mss), whole(budget, flow.mss));
  return sendRange(core, flow, flow.sndNxt, Math.min(length, usable), false);
}

/** The host's end follows its last byte. A window of zero does not hold it back: the guest would never hear of it. */
function sendFin(core: TcpCore, flow: TcpFlow): void {
  if (!flow.hostEnd || flow.finSent || flow.resetDue || seqGt(flow.bufferEnd, flow.sndNxt)) return;
  const result = sendControl(core, flow, flow.sndNxt, TCP_FIN | TCP_ACK);
  flow.finSent = true;
  flow.closedFirst = !flow.guestFin;
  flow.sndNxt = seqAdd(flow.sndNxt, 1);
  if (result === BUSY) park(core, flow);
  refreshState(core, flow);
}

function updateInterest(flow: TcpFlow): void {
  const { socket } = flow;
  if (socket === undefined) return;
  const read = !flow.hostEnd && !flow.readable;
  if (read === flow.wantsRead) return;
  flow.wantsRead = read;
  socket.interest(read, flow.wantsWrite);
}

/** The timers that output depends on: retransmission while something is in flight, probes while the window is shut. */
function armOutput(core: TcpCore, flow: TcpFlow): void {
  if (flightSize(flow) > 0) {
    if (flow.rexmitAt === NEVER) startRetransmission(flow, core.now());
    flow.persistAt = NEVER;
  } else {
    if (!flow.parked) flow.rexmitAt = NEVER;
    const waiting = unsentBytes(flow) > 0 || flow.readable;
    if (!waiting || flow.sndWnd > 0 || flow.finSent) {
      flow.persistAt = NEVER;
    } else if (flow.persistAt === NEVER) {
      flow.persistAt = core.now() + persistDelay(flow);
    }
  }
  armTimer(flow);
}

export function persistDelay(flow: TcpFlow): number {
  const delay = flow.rto * 2 ** Math.min(flow.persistBackoff, 10);
  return Math.min(delay, MAX_RTO_MS);
}
