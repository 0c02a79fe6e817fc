/** RCV.NXT moves: by what the host socket took, and by the guest's FIN. */
import { SOCKET_FAILED } from '../net/host.ts';
import { seqAdd, seqGe } from '../wire/index.ts';
import type { TcpCore } from './tcp-core.ts';
import { hostFailed, refreshState } from './tcp-end.ts';
import type { TcpFlow } from './tcp-flow.ts';
import { sinkOf } from './tcp-urgent.ts';

/** Writes what is in order now. Returns false when that ended the flow. */
export function drainAssembler(core: TcpCore, flow: TcpFlow): boolean {
  const { socket } = flow;
  if (socket === undefined) return true;
  const taken = flow.assembler.drain(flow.rcvNxt, sinkOf(flow, socket));
  if (taken === SOCKET_FAILED) {
    hostFailed(core, flow);
    return false;
  }
  if (taken > 0) received(core, flow, taken);
  if (flow.finKnown && flow.rcvNxt === flow.finSeq) processFin(core, flow);
  return flow.state !== 'CLOSED';
}

/** The socket took `count` bytes: RCV.NXT moves on, and a window that is being filled grows. */
export function received(core: TcpCore, flow: TcpFlow, count: number): void {
  flow.rcvNxt = seqAdd(flow.rcvNxt, count);
  core.counters.bytesToHost += count;
  core.uploads.sent(flow, flow.heardAt);
  const most = core.uploads.window(flow);
  if (flow.rcvLimit > most) flow.rcvLimit = most;
  if (seqGe(flow.rcvNxt, flow.rcvGrowAt)) {
    // A window's worth took at least one round trip.
    flow.rcvLimit = Math.min(2 * flow.rcvLimit, most);
    flow.rcvGrowAt = seqAdd(flow.rcvNxt, flow.rcvLimit);
  }
}

/** RCV.NXT has reached the guest's FIN. */
export function processFin(core: TcpCore, flow: TcpFlow): void {
  if (flow.guestFin) return;
  flow.guestFin = true;
  flow.rcvNxt = seqAdd(flow.finSeq, 1);
  flow.assembler.clear();
  flow.socket?.shutdown();
  flow.ackPending = true;
  refreshState(core, flow);
}
