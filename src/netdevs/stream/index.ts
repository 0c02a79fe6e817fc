export type { StreamOptions } from './options.ts';
export { createStream } from './stream-netdev.ts';
