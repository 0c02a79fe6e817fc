/** The parts of a test host that the suite of net clients uses, on this machine's clock, loop and sockets. */
import type { NodeHost } from '../../../src/node/index.ts';
import type { TestHost } from '../host.ts';

const QUIET_MS = 2;

/** @param progress a number that changes while anything moves: nothing does once it has stayed the same for two looks. */
export function realTime(host: NodeHost, progress: () => number): TestHost {
  const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  const settle = async () => {
    for (let quiet = 0; quiet < 2; ) {
      const before = progress();
      await pause(QUIET_MS);
      quiet = progress() === before ? quiet + 1 : 0;
    }
  };
  const leaks = () => (host.openSockets === 0 ? [] : [`${host.openSockets} descriptors`]);
  return { host, settle, elapse: pause, leaks } as unknown as TestHost;
}
