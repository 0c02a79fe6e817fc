export { type DatagramFraming, DatagramWire, type DatagramWireOptions } from './datagram-wire.ts';
export { openAdoptedWire, openMulticastWire, openUdpWire, openUnixWire } from './open.ts';
