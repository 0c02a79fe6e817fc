/** `netyard/qmp` on Node: the client of src/qmp with sockets. */
export {
  type Connect,
  type ConnectOptions,
  createLocalSession,
  type EventOf,
  type EventStream,
  type EventStreamOptions,
  type EventTimestamp,
  type LocalSessionOptions,
  openQmpConnection,
  type QmpAddress,
  type QmpConnection,
  QmpError,
  type QmpOpenOptions,
  type QmpSession,
  QmpSessionError,
  type QmpSessionErrorCode,
  type QmpTransport,
  type WebSocketLike,
  webSocketTransport,
} from '../qmp/index.ts';
export { connect } from './qmp-connect.ts';
