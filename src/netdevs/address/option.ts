/** The branches of the schema's SocketAddress. */
export type {
  SocketAddress as SocketAddressOption,
  SocketAddressInet as InetOption,
  SocketAddressUnix as UnixOption,
} from '../../schema/net.ts';
