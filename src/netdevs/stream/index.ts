export { createStream } from './stream-netdev.ts';
