export { openMulticastWire, openUdpWire } from './open.ts';
