/** Our end of a switch's port: a unix datagram socket whose path the switch must be able to open. */
import { type DatagramSocket, type Host, HostError } from '../../net/index.ts';
import type { VdePlan } from './options.ts';

/** Where to put it when it cannot be in the switch's own directory, as libvdeplug does. */
const OTHER_DIRECTORIES = ['/var/run', '/var/tmp', '/tmp'];
/** Names taken by others before another directory is tried. */
const MAX_TRIES = 64;
const MAX_NUMBER = 99_999;

export interface DataSocket {
  readonly socket: DatagramSocket;
  readonly path: string;
}

let sequence = 0;

/**
 * Binds `DIRECTORY/.PID-SEQUENCE`, or `vde.PID-SEQUENCE` elsewhere. A name that was left behind is taken over, one in use
 * (another container may have our number) is passed by.
 * @throws HostError of the switch's directory.
 */
export async function bindDataSocket(host: Host, directory: string, plan: VdePlan): Promise<DataSocket> {
  let reason: unknown;
  for (const place of [`${directory}/.`, ...OTHER_DIRECTORIES.map((other) => `${other}/vde.`)]) {
    try {
      return await bindIn(host, place, directory, plan);
    } catch (error) {
      reason ??= error;
      // What is wrong with the options, or missing here, is so in every directory.
      if (!(error instanceof HostError) || error.code === 'EINVAL' || error.code === 'ENOTSUP') throw error;
    }
  }
  throw reason;
}

async function bindIn(host: Host, prefix: string, directory: string, plan: VdePlan): Promise<DataSocket> {
  const { mode, group } = plan;
  for (let tries = 1; ; tries++) {
    const path = `${prefix}${digits(host.identity?.processId ?? 0)}-${digits(nextNumber())}`;
    try {
      const access = group === undefined ? { usableBy: `${directory}/ctl` } : { group };
      const socket = await host.sockets.datagram({ family: 'unix', bind: { family: 'unix', path }, mode, ...access });
      return { socket, path };
    } catch (error) {
      if (!(error instanceof HostError) || error.code !== 'EADDRINUSE' || tries === MAX_TRIES) throw error;
    }
  }
}

function nextNumber(): number {
  const number = sequence;
  sequence = (sequence + 1) % (MAX_NUMBER + 1);
  return number;
}

const digits = (number: number): string => String(number).padStart(5, '0');
