/** The one timer of a flow: armed for the earliest of its deadlines. */
import { NEVER, type TcpFlow } from './tcp-flow.ts';

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
