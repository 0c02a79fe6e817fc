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

/** Peer, reason or value; a function where the text would cost something that only a listener should pay. */
export type TraceDetail = string | number | boolean | (() => string);

/** @param subject name of the net client it is about. */
export type Trace = (point: TracePoint, subject: string, detail: TraceDetail) => void;

export const noTrace: Trace = () => {};
