export { type EndReason, StreamConnection } from './stream-connection.ts';
export { type FrameSink, StreamDecoder } from './stream-decoder.ts';
export { StreamEncoder } from './stream-encoder.ts';
