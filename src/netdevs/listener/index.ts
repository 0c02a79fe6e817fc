export { createListener, type ListenerOptions } from './listener-netdev.ts';
