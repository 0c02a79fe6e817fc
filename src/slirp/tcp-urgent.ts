/**
 * Urgent data (RFC 9293 §3.8.5, RFC 6093): all bytes stay where they are in the stream, and the last one that the sender
 * called urgent is told to the other side as urgent too, where the host's sockets can.
 *
 * As all stacks in use have it, the urgent pointer points behind that byte. Senders may announce it before they send it. A
 * newer pointer takes the place of an older one: what that one pointed to is then an ordinary byte, as at any receiver.
 */
import { SOCKET_FAILED, type StreamSocket } from '../net/host.ts';
import { seqAdd, seqDiff, seqGe, seqGt, seqLe, seqLt } from '../wire/index.ts';
import type { TcpFlow } from './tcp-flow.ts';

/** What `write` of a socket is to those who have bytes of the guest in order. */
export type ByteSink = Pick<StreamSocket, 'write'>;

/** A segment with URG that begins at `seq`. */
export function noteUrgent(flow: TcpFlow, seq: number, pointer: number): void {
  const end = seqAdd(seq, pointer);
  // Of a byte that was passed on long ago, or of none.
  if (pointer === 0 || seqLe(end, flow.rcvNxt)) return;
  if (flow.urgentIn && seqLe(end, flow.rcvUp)) return;
  flow.urgentIn = true;
  flow.rcvUp = end;
}

/** Where the guest's bytes from RCV.NXT on are written. */
export function sinkOf(flow: TcpFlow, socket: StreamSocket): ByteSink {
  if (!flow.urgentIn) return socket;
  if (seqLt(flow.rcvNxt, flow.rcvUp)) return new UrgentSink(flow, socket);
  flow.urgentIn = false;
  return socket;
}

class UrgentSink implements ByteSink {
  readonly #socket: StreamSocket;
  /** Bytes before the urgent one; below 0 = it was taken. */
  #ahead: number;

  constructor(flow: TcpFlow, socket: StreamSocket) {
    this.#socket = socket;
    this.#ahead = seqDiff(flow.rcvUp, flow.rcvNxt) - 1;
  }

  write(bytes: Uint8Array, offset: number, length: number): number {
    let done = 0;
    while (done < length) {
      const taken = this.#part(bytes, offset + done, length - done);
      // What was taken counts; a failure is told again.
      if (taken <= 0) return done > 0 && taken !== SOCKET_FAILED ? done : taken;
      done += taken;
      this.#ahead -= taken;
    }
    return done;
  }

  #part(bytes: Uint8Array, offset: number, length: number): number {
    const socket = this.#socket;
    if (this.#ahead === 0 && socket.writeUrgent !== undefined) return socket.writeUrgent(bytes[offset] as number);
    return socket.write(bytes, offset, this.#ahead > 0 ? Math.min(length, this.#ahead) : length);
  }
}

/** The host's byte that the chunks will hold at `seq` is urgent. */
export function markUrgent(flow: TcpFlow, seq: number): void {
  flow.urgentOut = true;
  flow.sndUp = seqAdd(seq, 1);
}

/** What the urgent pointer of a segment that begins at `seq` says; 0 = it has none. */
export function urgentPointer(flow: TcpFlow, seq: number): number {
  if (!flow.urgentOut) return 0;
  if (seqGe(flow.sndUna, flow.sndUp)) {
    flow.urgentOut = false;
    return 0;
  }
  return seqGt(flow.sndUp, seq) ? Math.min(seqDiff(flow.sndUp, seq), 0xffff) : 0;
}
