/** The one timer of a flow: armed for the earliest of its deadlines. */
import { flightSize, NEVER, type TcpFlow } from './tcp-flow.ts';
import { MIN_TAIL_PROBE_MS, TAIL_PROBE_DELAYED_ACK_MS } from './tcp-limits.ts';

/**
 * Starts the retransmission timer anew. The first time it stands for a tail loss probe after two round trips: a lost
 * last segment is told by no later one, and waiting for an RTO of 200 ms costs a local link dearly.
 */
export function startRetransmission(flow: TcpFlow, now: number): void {
  flow.tailProbe = false;
  if (flightSize(flow) === 0) {
    flow.rexmitAt = NEVER;
    return;
  }
  let delay = flow.rto;
  if (flow.sackOk && flow.srtt > 0 && !flow.tailProbed && !flow.recovering) {
    // A single segment may have met a delayed ACK.
    const extra = flightSize(flow) <= flow.mss ? TAIL_PROBE_DELAYED_ACK_MS : MIN_TAIL_PROBE_MS;
    const probe = 2 * flow.srtt + extra;
    if (probe < delay) {
      delay = probe;
      flow.tailProbe = true;
    }
  }
  flow.rexmitAt = now + delay;
}

export function armTimer(flow: TcpFlow): void {
  const { timer } = flow;
  if (timer === undefined) return;
  let at = Math.min(flow.rexmitAt, flow.persistAt);
  if (flow.lifeAt < at) at = flow.lifeAt;
  if (flow.windowAt < at) at = flow.windowAt;
  if (at === flow.timerAt) return;
  flow.timerAt = at;
  if (at === NEVER) timer.cancel();
  else timer.set(at);
}
