/** `netyard/qmp` as a page gets it, and what Node's has too: these names, and no others, are the package's. */

export { type Connect, type ConnectOptions, connect, type QmpAddress } from './connect.ts';
export { openQmpConnection, type QmpConnection, type QmpOpenOptions } from './connection.ts';
export { QmpError, QmpSessionError, type QmpSessionErrorCode } from './errors.ts';
export { createLocalSession, type LocalSessionOptions } from './local-session.ts';
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
export type { QmpContext, QmpEvent, QmpTarget, VersionInfo } from './target.ts';
export { type QmpTransport, type WebSocketLike, webSocketTransport } from './transport.ts';
