/** A yard as a program holds it: the same interface as the remote client, in-process guests, disposed as a whole. */
import type { GuestPort, GuestPortOptions } from '../net/index.ts';
import type { CommandArguments } from '../qapi/index.ts';
import { asQmpError, createLocalSession, type QmpSession } from '../qmp/index.ts';
import type { NetyardSchema } from '../schema/net.ts';
import { Yard, type YardEnvironment, type YardSettings } from './yard.ts';

export interface LibraryYardOptions {
  readonly name?: string | undefined;
  /** Started in order: `-netdev` text, or the arguments of netdev_add. */
  readonly netdevs?: readonly (string | CommandArguments<NetyardSchema, 'netdev_add'>)[] | undefined;
  /** false: netdevs that nothing claims stay alone, as with -nodefaults. Default true: they are ports of one switch. */
  readonly switch?: boolean | undefined;
}

export interface LibraryYard extends QmpSession<NetyardSchema> {
  /**
   * An in-process guest: a NIC on the yard's switch, or wired to the netdev it names.
   * @throws QmpError if the id is taken or not an identifier.
   * @example const port = yard.attach({ id: 'vm0' }); port.onFrame = (bytes) => {}; port.send(frame);
   */
  attach(options: GuestPortOptions): GuestPort;
  /** Closes everything; resolves when every name is free and nothing keeps the process alive. Idempotent. */
  close(): Promise<void>;
}

/**
 * @param dispose runs after the yard closed: the host's own end.
 * @throws QmpError with QEMU's text when a netdev cannot start; nothing is left open then.
 */
export async function openYard(
  environment: YardEnvironment,
  options: LibraryYardOptions,
  dispose: () => void | Promise<void>,
): Promise<LibraryYard> {
  const settings: YardSettings = { name: options.name, switch: options.switch };
  const yard = new Yard(environment, settings);
  const session = createLocalSession<NetyardSchema>(yard);
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= (async () => {
      await session.close();
      await yard.close();
      await dispose();
    })();
    return closed;
  };
  yard.onQuit = () => void close();
  try {
    for (const netdev of options.netdevs ?? []) {
      if (typeof netdev !== 'string') await session.execute('netdev_add', netdev);
      else for (const warning of await yard.addNetdevText(netdev)) environment.host.log.warn(warning, { netdev });
    }
  } catch (error) {
    await close();
    throw asQmpError(error);
  }
  return {
    execute: session.execute.bind(session),
    call: session.call.bind(session),
    events: session.events.bind(session),
    attach: (guest) => {
      try {
        return yard.attach(guest);
      } catch (error) {
        throw asQmpError(error);
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
