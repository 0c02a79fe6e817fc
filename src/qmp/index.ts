/**
 * QMP, the protocol: JSON as QEMU reads and writes it, the server's session, the typed client. Portable: transports
 * are injected.
 */

export * from './client.ts';
export { openWithin, transportOf } from './connect.ts';
export { asQmpError } from './errors.ts';
export { type EventLimit, EventThrottle, type ThrottleHost } from './event-throttle.ts';
export { type JsonLimits, JsonReader, type JsonSink } from './json-reader.ts';
export { parseJsonText } from './json-text.ts';
export { writeJson, writeJsonPretty } from './json-writer.ts';
export { QmpServerSession } from './server-session.ts';
export type { QmpCloseReason, QmpServerOptions, QmpServerTransport } from './server-transport.ts';
export { SessionTurns } from './session-turns.ts';
