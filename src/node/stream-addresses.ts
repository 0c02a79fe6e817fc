/** The two addresses of a stream, asked of Node when first wanted: each is a system call, and most are never wanted. */
import * as net from 'node:net';
import type { InetAddress, SocketAddress } from '../net/index.ts';
import type { AddressTable } from './address.ts';

export class StreamAddresses {
  readonly #table: AddressTable;
  readonly #unixPath: string | undefined;
  #local: SocketAddress | undefined;
  #remote: SocketAddress | undefined;

  /**
   * @param unixPath both addresses of a unix socket.
   * @param remote where it is known beforehand.
   */
  constructor(table: AddressTable, unixPath: string | undefined, remote: InetAddress | undefined) {
    this.#table = table;
    this.#unixPath = unixPath;
    this.#remote = remote;
  }

  get isUnix(): boolean {
    return this.#unixPath !== undefined;
  }

  local(socket: net.Socket | undefined): SocketAddress | undefined {
    this.#local ??= this.#unix() ?? this.#inet(socket?.localAddress, socket?.localPort);
    return this.#local;
  }

  remote(socket: net.Socket | undefined): SocketAddress | undefined {
    this.#remote ??= this.#unix() ?? this.#inet(socket?.remoteAddress, socket?.remotePort);
    return this.#remote;
  }

  #unix(): SocketAddress | undefined {
    return this.#unixPath === undefined ? undefined : { family: 'unix', path: this.#unixPath };
  }

  #inet(host: string | undefined, port: number | undefined): InetAddress | undefined {
    if (host === undefined || port === undefined) return undefined;
    return this.#table.inet(host, port, net.isIPv6(host));
  }
}
