/**
 * qemu-bridge-helper, a program with the right to make a tap and put it on a bridge, which it then sends us (QEMU
 * net/tap.c, net_bridge_run_helper). Which bridges it allows is its own business: /etc/qemu/bridge.conf.
 */
import { type Descriptor, HostError, type Kernel } from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';

export const DEFAULT_BRIDGE = 'br0';
/** Where distributions put it; the first that exists is taken. */
const DEFAULT_HELPERS: readonly string[] = [
  '/usr/lib/qemu/qemu-bridge-helper',
  '/usr/libexec/qemu-bridge-helper',
  '/usr/local/libexec/qemu-bridge-helper',
];
/** It makes a few system calls: one that takes longer waits for something that will not come. */
const HELPER_TIMEOUT_MS = 20_000;

/** argv for a helper that finds the socket under this number. With blanks in it, the helper is a line for the shell. */
export function helperCommand(helper: string, bridge: string, socket: number): readonly string[] {
  if (!/[ \t]/.test(helper)) return [helper, '--use-vnet', `--fd=${socket}`, `--br=${bridge}`];
  const ownBridge = helper.includes('--br=') ? '' : ` --br=${bridge}`;
  return ['/bin/sh', '-c', `${helper} --use-vnet --fd=${socket}${ownBridge}`];
}

/** @throws QapiError `bridge helper failed`, with the reason as a hint */
export async function runHelper(
  kernel: Kernel,
  helper: string,
  bridge: string,
  signal: AbortSignal,
): Promise<Descriptor> {
  try {
    return await kernel.receiveDescriptor((socket) => helperCommand(helper, bridge, socket), HELPER_TIMEOUT_MS, signal);
  } catch (error) {
    throw failed(error, helper);
  }
}

/** The first default helper that is installed, and what it sent. @throws QapiError */
export async function runDefaultHelper(
  kernel: Kernel,
  bridge: string,
  signal: AbortSignal,
): Promise<{ readonly helper: string; readonly descriptor: Descriptor }> {
  let last: unknown;
  for (const helper of DEFAULT_HELPERS) {
    try {
      const argv = (socket: number) => helperCommand(helper, bridge, socket);
      return { helper, descriptor: await kernel.receiveDescriptor(argv, HELPER_TIMEOUT_MS, signal) };
    } catch (error) {
      if (!(error instanceof HostError) || error.code !== 'ENOENT') throw failed(error, helper);
      last ??= error;
    }
  }
  throw failed(last, DEFAULT_HELPERS[0] as string);
}

function failed(error: unknown, helper: string): unknown {
  if (!(error instanceof HostError) || error.code === 'ENOTSUP') return error;
  const what = error.code === 'ENOENT' ? `${helper}: ${error.message}` : error.message;
  return new QapiError('bridge helper failed', {
    cause: error,
    hint: `${what}; bridges are allowed in /etc/qemu/bridge.conf, a line 'allow BRIDGE' each`,
  });
}
