export { type DatagramFraming, DatagramWire, type DatagramWireOptions } from './datagram-wire.ts';
export { openMulticastWire, openUdpWire } from './open.ts';
