export { discard, type TakenSocket, takeListener, takeSocket, takeStream } from './descriptor.ts';
export { isMulticastIpv4, parseLocalAddress, resolveHostPort, resolveLegacy } from './legacy.ts';
export { type ConnectAttempt, connectTo, listenAt } from './open.ts';
export type { InetOption, SocketAddressOption, UnixOption, VsockOption } from './option.ts';
export { addressToQapi, addressUri } from './render.ts';
export { isNumeric, refuseMptcp, unixAddress } from './socket-address.ts';
