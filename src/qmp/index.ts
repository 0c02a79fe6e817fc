/**
 * QMP, the protocol: JSON as QEMU reads and writes it, the server's session, the typed client. Portable: transports
 * are injected.
 */

export { type Connect, type ConnectOptions, connect, openWithin, type QmpAddress, transportOf } from './connect.ts';
export { openQmpConnection, type QmpConnection, type QmpOpenOptions } from './connection.ts';
export { asQmpError, QmpError, QmpSessionError, type QmpSessionErrorCode } from './errors.ts';
export { type EventLimit, EventThrottle, type ThrottleHost } from './event-throttle.ts';
export { type JsonLimits, JsonReader, type JsonSink } from './json-reader.ts';
export { parseJsonText } from './json-text.ts';
export { writeJson, writeJsonPretty } from './json-writer.ts';
export { createLocalSession, type LocalSessionOptions } from './local-session.ts';
export { QmpServerSession } from './server-session.ts';
export type { QmpCloseReason, QmpServerOptions, QmpServerTransport } from './server-transport.ts';
export type {
  EventOf,
  EventStream,
  EventStreamOptions,
  EventTimestamp,
  ExecuteArguments,
  ExecuteOptions,
  Integers,
  QmpSession,
  WithBigint,
} from './session.ts';
export { SessionTurns } from './session-turns.ts';
export type { QmpContext, QmpEvent, QmpTarget, VersionInfo } from './target.ts';
export { type QmpTransport, type WebSocketLike, webSocketTransport } from './transport.ts';
