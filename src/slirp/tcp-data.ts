/**
 * Bytes and FIN from the guest (RFC 9293 §3.10.7.4, seventh and eighth step).
 *
 * In order and nothing waiting: straight from the frame into the socket. Otherwise into the assembler, from which the
 * socket is fed. An ACK at the end of the batch, at once for anything out of order.
 */
import { SOCKET_FAILED } from '../net/host.ts';
import { seqAdd, seqDiff, seqGt, seqLe, seqLt } from '../wire/index.ts';
import type { TcpCore } from './tcp-core.ts';
import { hostFailed } from './tcp-end.ts';
import type { TcpFlow } from './tcp-flow.ts';
import { watchRoom } from './tcp-host.ts';
import { acknowledge } from './tcp-output.ts';
import { drainAssembler, processFin, received } from './tcp-receive.ts';
import { sinkOf } from './tcp-urgent.ts';

/**
 * Takes the acceptable part of a segment's payload and its FIN.
 * @param seq of the first payload byte.
 */
export function takeData(
  core: TcpCore,
  flow: TcpFlow,
  seq: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  fin: boolean,
): void {
  // The host side is gone: nobody takes it, and the reset tells the guest soon.
  if (flow.resetDue) return;
  let end = seqAdd(seq, length);
  // The guest has finished: what lies beyond its FIN, or a second FIN elsewhere, is not believed.
  if (flow.guestFin) {
    acknowledge(core, flow);
    return;
  }
  if (flow.finKnown && seqGt(end, flow.finSeq)) end = flow.finSeq;
  if (seqGt(end, flow.rcvEdge)) {
    end = flow.rcvEdge;
    core.counters.outOfWindow++;
    fin = false;
  }
  if (fin && !flow.finKnown) {
    flow.finKnown = true;
    flow.finSeq = end;
  }
  let skip = 0;
  if (seqLt(seq, flow.rcvNxt)) skip = seqDiff(flow.rcvNxt, seq);
  const from = seqAdd(seq, skip);
  const usable = seqDiff(end, from);
  let atOnce = false;
  if (usable > 0) {
    if (from === flow.rcvNxt && !flow.assembler.begins(from)) {
      atOnce = !flow.assembler.isEmpty;
      if (!writeHost(core, flow, from, bytes, offset + skip, usable)) return;
    } else {
      // Behind a gap, or behind bytes that the socket has refused so far.
      atOnce = from !== flow.rcvNxt;
      if (atOnce) core.counters.outOfOrder++;
      const refused = flow.assembler.refusedBytes;
      flow.assembler.insert(from, bytes, offset + skip, usable);
      core.counters.outOfOrderRefused += flow.assembler.refusedBytes - refused;
      if (flow.assembler.begins(flow.rcvNxt) && !drainAssembler(core, flow)) return;
    }
  } else if (length > 0) {
    // All of it is old, or beyond the window: the guest lost our ACK, or does not know the window.
    core.counters.duplicate++;
    atOnce = true;
  }
  flow.ackPending = true;
  if (flow.finKnown && !flow.guestFin && seqLe(flow.finSeq, flow.rcvNxt)) processFin(core, flow);
  watchRoom(flow);
  if (atOnce) acknowledge(core, flow);
  else core.rounds.schedule(flow);
}

function writeHost(
  core: TcpCore,
  flow: TcpFlow,
  seq: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
): boolean {
  const { socket } = flow;
  if (socket === undefined) return true;
  let taken = sinkOf(flow, socket).write(bytes, offset, length);
  if (taken === SOCKET_FAILED) {
    hostFailed(core, flow);
    return false;
  }
  if (taken < 0) taken = 0;
  if (taken > 0) received(core, flow, taken);
  if (taken < length) {
    // The window promised this room: kept, but not acknowledged before the socket takes it.
    flow.assembler.insert(seqAdd(seq, taken), bytes, offset + taken, length - taken);
    return true;
  }
  return flow.assembler.isEmpty || drainAssembler(core, flow);
}
