/**
 * QMP, the protocol: JSON as QEMU reads and writes it, the server's session, the typed client. Portable: transports
 * are injected.
 */

export { QmpError, QmpSessionError, type QmpSessionErrorCode } from './errors.ts';
export { type EventLimit, EventThrottle, type ThrottleHost } from './event-throttle.ts';
export { type JsonLimits, JsonReader, type JsonSink } from './json-reader.ts';
export { parseJsonText } from './json-text.ts';
export { writeJson, writeJsonPretty } from './json-writer.ts';
export {
  type QmpCloseReason,
  type QmpServerOptions,
  QmpServerSession,
  type QmpServerTransport,
} from './server-session.ts';
export { type QmpContext, type QmpEvent, type QmpTarget, type VersionInfo, versionInfo } from './target.ts';
