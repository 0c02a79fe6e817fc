/** Sockets that an `fd` option names: taken over from whoever started us, or passed with getfd. */
import {
  type AdoptedSocket,
  HostError,
  type Listener,
  type NetdevContext,
  type StreamSocket,
} from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';

/** A socket of ours now, and the number it had. */
export interface TakenSocket {
  readonly descriptor: number;
  readonly adopted: AdoptedSocket;
}

/**
 * Takes over the descriptor that `text` names. On failure a number stays the caller's and a name's descriptor is closed.
 * @param worded the error's text when the descriptor is no socket that can be used.
 * @throws QapiError with QEMU's text; with the host's own when it has no native layer.
 */
export function takeSocket(
  context: NetdevContext,
  text: string,
  worded: (descriptor: number, error: HostError) => string,
): TakenSocket {
  const { sockets } = context.host;
  const descriptor = context.takeDescriptor(text);
  try {
    return { descriptor, adopted: sockets.adopt(descriptor) };
  } catch (error) {
    if (!isNumber(text)) sockets.closeDescriptor?.(descriptor);
    if (!(error instanceof HostError)) throw error;
    const unusable = error.code === 'ENOTSUP' ? error.message : worded(descriptor, error);
    throw new QapiError(unusable, { cause: error });
  }
}

/** A connected stream of `addr.type=fd`. @throws QapiError with QEMU's text. */
export function takeStream(context: NetdevContext, text: string): StreamSocket {
  const { adopted } = takeSocket(context, text, (_, error) => notStream(text, error));
  if (adopted.kind === 'stream') return adopted.socket;
  void discard(adopted);
  throw new QapiError(
    adopted.kind === 'listener'
      ? `File descriptor '${text}' is a listening socket: use server=on`
      : `File descriptor '${text}' is not a stream socket`,
  );
}

/** A listening socket of `addr.type=fd`. @throws QapiError with QEMU's text. */
export function takeListener(context: NetdevContext, text: string): Listener {
  const { adopted } = takeSocket(context, text, (_, error) => notStream(text, error));
  if (adopted.kind === 'listener') return adopted.listener;
  void discard(adopted);
  // What listen(2) would say of it.
  const reason = adopted.kind === 'datagram' ? 'Operation not supported' : 'Invalid argument';
  throw new QapiError(`Failed to listen on fd socket: ${reason}`);
}

/** Closes what turned out to be of the wrong kind. */
export async function discard(adopted: AdoptedSocket): Promise<void> {
  await (adopted.kind === 'listener' ? adopted.listener : adopted.socket).close();
}

const isNumber = (text: string): boolean => /^\d/.test(text);

function notStream(text: string, error: HostError): string {
  return error.code === 'EBADF' || error.code === 'ENOTSOCK'
    ? `File descriptor '${text}' is not a socket`
    : `File descriptor '${text}' cannot be used: ${error.message}`;
}
