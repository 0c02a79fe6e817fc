/** What qemu-bridge-helper does, done by ourselves: a tap with the bridge's MTU, put on it and up. */
import { type Descriptor, HostError, type Kernel } from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';
import { createDevice, readWord, requestFor, type TapDevice, WORD_AT, writeWord } from '../tap/index.ts';

const IFF_UP = 1;
/** Behind the address's family. */
const FIRST_ADDRESS_BYTE = WORD_AT + 2;
/** Above every vendor's: a bridge takes the lowest address of its ports for its own, which must not change with us. */
const HIGH_ADDRESS = 0xfe;

/**
 * @returns undefined without the right to it.
 * @throws QapiError when there is no such bridge, or it does not take the tap; nothing is left then
 */
export function createOnBridge(kernel: Kernel, bridge: string): TapDevice | undefined {
  const control = kernel.controlSocket();
  let device: TapDevice | undefined;
  try {
    const mtu = worded(`could not find bridge '${bridge}'`, () => readWord(control, 'SIOCGIFMTU', bridge));
    device = tryCreate(kernel);
    if (device === undefined) return undefined;
    const { interfaceName } = device;
    try {
      join(control, interfaceName, bridge, mtu);
    } catch (error) {
      for (const descriptor of device.queues) descriptor.close();
      if (isDenied(error)) return undefined;
      throw error;
    }
    return device;
  } finally {
    control.close();
  }
}

function tryCreate(kernel: Kernel): TapDevice | undefined {
  try {
    return createDevice(kernel, '', 1, undefined);
  } catch (error) {
    if (isDenied(error) || isDenied((error as Error).cause)) return undefined;
    throw error;
  }
}

function join(control: Descriptor, name: string, bridge: string, mtu: number): void {
  worded(`could not set the MTU of ${name}`, () => writeWord(control, 'SIOCSIFMTU', name, mtu));
  const address = requestFor(name);
  control.ioctl('SIOCGIFHWADDR', address);
  address[FIRST_ADDRESS_BYTE] = HIGH_ADDRESS;
  control.ioctl('SIOCSIFHWADDR', address);
  const index = readWord(control, 'SIOCGIFINDEX', name);
  worded(`could not add ${name} to bridge '${bridge}'`, () => writeWord(control, 'SIOCBRADDIF', bridge, index));
  const flags = requestFor(name);
  control.ioctl('SIOCGIFFLAGS', flags);
  const view = new DataView(flags.buffer);
  view.setUint16(WORD_AT, view.getUint16(WORD_AT, true) | IFF_UP, true);
  control.ioctl('SIOCSIFFLAGS', flags);
}

function worded<T>(what: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof HostError) || isDenied(error)) throw error;
    throw new QapiError(`${what}: ${error.message}`, { cause: error });
  }
}

const isDenied = (error: unknown): boolean =>
  error instanceof HostError && (error.code === 'EPERM' || error.code === 'EACCES');
