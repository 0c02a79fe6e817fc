/** Trace points: one list, published by whoever is injected. None of them is on the way of a good frame. */

export const TRACE_POINTS = [
  'client-open',
  'client-attach',
  'client-remove',
  'wire',
  'unwire',
  'link',
  'drop',
  'busy',
  'ready',
  'client-failed',
  'switch-join',
  'switch-leave',
  'switch-move',
  'announce',
  'tcp-state',
] as const;

export type TracePoint = (typeof TRACE_POINTS)[number];

/** @param subject name of the net client it is about. @param detail peer, reason or value. */
export type Trace = (point: TracePoint, subject: string, detail: string | number | boolean) => void;

export const noTrace: Trace = () => {};
