/** Trace points on node:diagnostics_channel: `netyard:<point>`, messages `{ subject, detail }`. Free while nobody listens. */
import { type Channel, channel } from 'node:diagnostics_channel';
import { TRACE_POINTS, type Trace, type TracePoint } from '../net/index.ts';

const channels = Object.fromEntries(TRACE_POINTS.map((point) => [point, channel(`netyard:${point}`)])) as Record<
  TracePoint,
  Channel
>;

export const diagnosticsTrace: Trace = (point, subject, detail) => {
  const target = channels[point];
  if (target.hasSubscribers) target.publish({ subject, detail: typeof detail === 'function' ? detail() : detail });
};
