/**
 * Where our own multicast frames come from. The members of a group on one machine share address and port, so we send from a
 * port that nobody else on this machine has: together with one of its addresses, whichever the route gave, that is us.
 */
import type { SocketAddress, Sockets } from '../../net/index.ts';

export class OwnSource {
  readonly #sockets: Sockets;
  readonly #port: number;

  constructor(sockets: Sockets, port: number) {
    this.#sockets = sockets;
    this.#port = port;
  }

  isOurs(from: SocketAddress | undefined): boolean {
    return from?.family === 'ipv4' && from.port === this.#port && this.#sockets.isOwnAddress(from.host);
  }
}
