/** The branches of the schema's SocketAddress. */
export type {
  SocketAddress as SocketAddressOption,
  SocketAddressInet as InetOption,
  SocketAddressUnix as UnixOption,
  SocketAddressVsock as VsockOption,
} from '../../schema/net.ts';
