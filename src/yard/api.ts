/** What a program that holds a yard finds beside createYard, in Node and in a page. */
export {
  BUSY,
  type Counters,
  DROPPED,
  Frame,
  type GuestPort,
  type GuestPortOptions,
  HostError,
  type SendResult,
  TAKEN,
} from '../net/index.ts';
export {
  type EventStream,
  type EventStreamOptions,
  type ExecuteOptions,
  QmpError,
  type QmpSession,
  QmpSessionError,
  type QmpSessionErrorCode,
} from '../qmp/index.ts';
export type { LibraryYard } from './library.ts';
