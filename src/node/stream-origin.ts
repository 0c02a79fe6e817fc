/**
 * Where a stream's net.Socket comes from: connected by us, or accepted by a server.
 *
 * `onread` is documented for sockets that connect; an accepted one gets it by moving its handle to a new Socket.
 * Where that handle is not as expected, 'data' events serve instead, with the same behaviour.
 */
import * as net from 'node:net';
import { type InetAddress, isInet, type SocketAddress } from '../net/index.ts';
import { unixNameError } from './address.ts';
import { hostError } from './errno.ts';
import type { SocketContext } from './socket-context.ts';

export interface ConnectOptions {
  readonly bind?: InetAddress;
  readonly noDelay?: boolean;
  readonly keepAlive?: boolean;
  readonly hopLimit?: number | undefined;
  readonly passDescriptors?: boolean;
  readonly reserved?: boolean;
  readonly share?: number;
}

export interface StreamOrigin {
  readonly isConnected: boolean;
  /** See Destroyable. */
  readonly share: number | undefined;
  /** Of a unix socket. */
  readonly unixPath: string | undefined;
  /** Where it is known beforehand. */
  readonly remote: InetAddress | undefined;
  /**
   * A socket that reads as `onread` says, and not before it is resumed once it is connected.
   * @throws what the address rules or Node refuse at once.
   */
  open(onread: net.OnReadOpts): net.Socket;
}

export function connectingOrigin(context: SocketContext, to: SocketAddress, options: ConnectOptions): StreamOrigin {
  // Asked before the new stream itself is in the list.
  const mayOpen = context.descriptors.mayOpen(context.open.size, options.reserved, options.share);
  return {
    isConnected: false,
    share: options.share,
    unixPath: to.family === 'unix' ? to.path : undefined,
    remote: isInet(to) ? to : undefined,
    open: (onread) => {
      if (!mayOpen) throw hostError('EMFILE');
      const socket = connect(to, options, onread);
      socket.pause();
      return socket;
    },
  };
}

/** Takes over a connection that a server accepted with pauseOnConnect. */
export function acceptedOrigin(
  socket: net.Socket,
  unixPath: string | undefined,
  share: number | undefined,
): StreamOrigin {
  return { isConnected: true, share, unixPath, remote: undefined, open: (onread) => adopt(socket, onread) };
}

function connect(to: SocketAddress, options: ConnectOptions, onread: net.OnReadOpts): net.Socket {
  const common = { allowHalfOpen: true, onread };
  if (to.family === 'unix') {
    const refused = unixNameError(to);
    if (refused !== undefined) throw refused;
    return net.connect({ ...common, path: to.path });
  }
  if (to.family === 'vsock') throw hostError('EAFNOSUPPORT');
  const { bind } = options;
  return net.connect({
    ...common,
    host: to.host,
    port: to.port,
    family: to.family === 'ipv6' ? 6 : 4,
    noDelay: options.noDelay !== false,
    keepAlive: options.keepAlive === true,
    autoSelectFamily: false,
    ...(bind === undefined ? {} : { localAddress: bind.host, localPort: bind.port }),
  });
}

function adopt(socket: net.Socket, onread: net.OnReadOpts): net.Socket {
  const owner = socket as HandleOwner;
  const handle = owner._handle;
  if (typeof handle?.useUserBuffer !== 'function') {
    socket.on('data', (bytes: Uint8Array) => {
      if (!onread.callback(bytes.length, bytes)) socket.pause();
    });
    socket.pause();
    return socket;
  }
  owner._handle = null;
  socket.destroy();
  const options = { handle, onread, allowHalfOpen: true, pauseOnCreate: true, readable: true, writable: true };
  return new net.Socket(options as net.SocketConstructorOpts);
}

/** The part of Node's socket handle that is looked at. */
interface HandleOwner extends Omit<net.Socket, '_handle'> {
  _handle?: { useUserBuffer?: unknown } | null;
}
