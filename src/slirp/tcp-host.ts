/**
 * The host side of a flow: events of its socket, and the window that the socket's room opens for the guest.
 *
 * Bytes go from the guest's frame into the socket; how much it takes decides what is acknowledged. While the window is
 * small the socket's `writable` is watched; room that is still too little to tell the guest is looked at again a little
 * later, because the event is level-triggered and would come every turn.
 */
import type { StreamEvent, StreamSocket } from '../net/host.ts';
import { seqAdd, seqDiff } from '../wire/index.ts';
import type { TcpCore } from './tcp-core.ts';
import { hostFailed } from './tcp-end.ts';
import { isSynchronized, NEVER, type TcpFlow } from './tcp-flow.ts';
import { WINDOW_CHECK_MS } from './tcp-limits.ts';
import { acknowledge } from './tcp-output.ts';
import { drainAssembler } from './tcp-receive.ts';
import { armTimer } from './tcp-timer.ts';

/** Takes the socket over. `onConnected` is called once, for a socket that is still connecting. */
export function attachSocket(
  core: TcpCore,
  flow: TcpFlow,
  socket: StreamSocket,
  onConnected: (core: TcpCore, flow: TcpFlow) => void,
): void {
  flow.socket = socket;
  socket.onEvent = (event) => {
    if (flow.socket === socket) onSocketEvent(core, flow, event, onConnected);
  };
}

function onSocketEvent(
  core: TcpCore,
  flow: TcpFlow,
  event: StreamEvent,
  onConnected: (core: TcpCore, flow: TcpFlow) => void,
): void {
  switch (event) {
    case 'connected':
      if (flow.hostConnected) return;
      flow.hostConnected = true;
      onConnected(core, flow);
      return;
    case 'readable':
    case 'closed':
      flow.readable = !flow.hostEnd;
      if (isSynchronized(flow)) core.rounds.produceNow(flow);
      else watch(flow, false, flow.wantsWrite);
      return;
    case 'writable':
      offerRoom(core, flow);
      return;
    case 'error':
      hostFailed(core, flow);
      return;
    default:
      event satisfies never;
  }
}

/** Sets the socket's interest if it changed. */
export function watch(flow: TcpFlow, read: boolean, write: boolean): void {
  if (flow.socket === undefined || (read === flow.wantsRead && write === flow.wantsWrite)) return;
  flow.wantsRead = read;
  flow.wantsWrite = write;
  flow.socket.interest(read, write);
}

/** The socket may have room: what waits is written, and the guest is told if its window opens by enough. */
export function offerRoom(core: TcpCore, flow: TcpFlow): void {
  if (flow.socket === undefined || !isSynchronized(flow)) return;
  const before = flow.rcvNxt;
  if (!flow.assembler.isEmpty && !drainAssembler(core, flow)) return;
  const room = flow.socket?.room() ?? 0;
  const wanted = Math.min(flow.rcvLimit, room);
  const gain = seqDiff(seqAdd(flow.rcvNxt, wanted), flow.rcvEdge);
  const enough = Math.max(2 * flow.mss, wanted >> 2);
  if (flow.rcvNxt !== before || gain >= enough) acknowledge(core, flow);
  const needs = needsRoom(flow);
  // Full: the event comes when it no longer is. Only room that is too little to tell of would bring it every turn.
  const full = needs && flow.socket?.room() === 0;
  watch(flow, flow.wantsRead, full);
  if (!needs || full) return;
  flow.windowAt = core.now() + WINDOW_CHECK_MS;
  armTimer(flow);
}

/** The socket has no room, the offered window is well below what it has, or bytes wait for it. */
function needsRoom(flow: TcpFlow): boolean {
  if (flow.guestFin || flow.socket === undefined) return false;
  if (flow.assembler.begins(flow.rcvNxt)) return true;
  const room = flow.socket.room();
  return room === 0 || seqDiff(flow.rcvEdge, flow.rcvNxt) < Math.min(flow.rcvLimit, room) >> 1;
}

/** After bytes were received: is the socket's room watched? */
export function watchRoom(flow: TcpFlow): void {
  const needs = needsRoom(flow);
  if (needs !== flow.wantsWrite && flow.windowAt === NEVER) watch(flow, flow.wantsRead, needs);
}
