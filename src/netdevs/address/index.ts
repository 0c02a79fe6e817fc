export { isMulticastIpv4, parseLocalAddress, resolveHostPort, resolveLegacy } from './legacy.ts';
export { type ConnectAttempt, connectTo, listenAt } from './open.ts';
export type { InetOption, SocketAddressOption, UnixOption } from './option.ts';
export { addressToQapi, addressUri } from './render.ts';
export { isNumeric, refuseNative } from './socket-address.ts';
