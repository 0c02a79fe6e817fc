/** Sockets of which there are so many, with a share for each port that guests come in by: see src/node/descriptors.ts. */
import { HostError, type Sockets } from '../../src/net/host.ts';
import { Shares } from '../../src/net/index.ts';

/** In whose name that is opened which is for no guest. */
const NOBODY = -2;

/** From now on `sockets` opens no more datagram sockets and connections than `cap`. */
export function limitSockets(sockets: Sockets, cap: number): void {
  const shares = new Shares(cap);
  const openDatagram = sockets.datagram.bind(sockets);
  const connect = sockets.connect.bind(sockets);
  const take = (share: number | undefined): (() => void) => {
    if (share === undefined ? shares.free < 1 : !shares.allows(share))
      throw new HostError('EMFILE', 'Too many open files');
    const owner = share ?? NOBODY;
    shares.take(owner);
    let given = false;
    return () => {
      if (!given) shares.give(owner);
      given = true;
    };
  };
  const limited: Partial<Sockets> = {
    mayConnect: (share) => shares.allows(share),
    datagram: async (options) => {
      const give = take(options.share);
      const socket = await openDatagram(options);
      const close = socket.close.bind(socket);
      return Object.assign(socket, {
        close: () => {
          give();
          return close();
        },
      });
    },
    connect: (to, options) => {
      const give = take(options?.share);
      const stream = connect(to, options);
      const reset = stream.reset.bind(stream);
      return Object.assign(stream, {
        reset: () => {
          give();
          reset();
        },
      });
    },
  };
  Object.assign(sockets, limited);
}
