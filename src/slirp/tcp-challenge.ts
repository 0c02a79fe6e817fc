/** ACKs that a peer could make us send without end, at limited rates. */
import type { TcpCore } from './tcp-core.ts';
import type { TcpFlow } from './tcp-flow.ts';
import { DUBIOUS_ACKS, DUBIOUS_PERIOD_MS } from './tcp-limits.ts';
import { acknowledge } from './tcp-output.ts';

/** RFC 5961 §7: a limit per flow, and one for all. */
export function challenge(core: TcpCore, flow: TcpFlow): void {
  if (!core.challenges.take(flow.ingress, core.now())) {
    core.ip.drop('tcp-challenge-limit');
    return;
  }
  core.counters.challengeAcks++;
  dubious(core, flow);
}

/** An ACK to a segment that carries nothing acceptable. */
export function dubious(core: TcpCore, flow: TcpFlow): void {
  const now = core.now();
  if (now - flow.dubiousAt >= DUBIOUS_PERIOD_MS) {
    flow.dubiousAt = now;
    flow.dubiousCount = 0;
  }
  if (flow.dubiousCount >= DUBIOUS_ACKS) {
    core.ip.drop('tcp-ack-limit');
    return;
  }
  flow.dubiousCount++;
  acknowledge(core, flow);
}
