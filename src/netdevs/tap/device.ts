/** Opening and setting up a tap: the ioctls QEMU makes, in its order (QEMU net/tap-linux.c). */
import {
  type Descriptor,
  HostError,
  type Kernel,
  OFFLOAD_CHECKSUM,
  OFFLOAD_TSO4,
  OFFLOAD_TSO6,
} from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';
import { VNET_HEADER_LENGTH } from '../../wire/index.ts';

const TUN_DEVICE = '/dev/net/tun';
const IFREQ_BYTES = 40;
const NAME_BYTES = 16;
const FLAGS_OFFSET = 16;

const IFF_TAP = 0x0002;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_NO_PI = 0x1000;
const IFF_ONE_QUEUE = 0x2000;
const IFF_VNET_HDR = 0x4000;

/** TUNSETOFFLOAD: what the kernel may hand us whole. */
const TUN_F_CSUM = 1;
const TUN_F_TSO4 = 2;
const TUN_F_TSO6 = 4;
const TUN_F_TSO_ECN = 8;

export interface TapDevice {
  readonly queues: readonly Descriptor[];
  readonly interfaceName: string;
  readonly vnetHeader: boolean;
  /** OFFLOAD_* that the kernel takes from us. */
  readonly offloads: number;
}

/** Creates the interface, or attaches to a persistent one. @throws QapiError with QEMU's text */
export function createDevice(kernel: Kernel, name: string, queues: number, vnetWanted: boolean | undefined): TapDevice {
  const opened: Descriptor[] = [];
  try {
    let interfaceName = name;
    let vnetHeader = false;
    for (let i = 0; i < queues; i++) {
      const descriptor = openTun(kernel);
      opened.push(descriptor);
      const features = word(descriptor, 'TUNGETFEATURES');
      vnetHeader = vnetWanted !== false && (features & IFF_VNET_HDR) !== 0;
      if (vnetWanted === true && !vnetHeader) {
        throw new QapiError('vnet_hdr=1 requested, but no kernel support for IFF_VNET_HDR available');
      }
      if (queues > 1 && (features & IFF_MULTI_QUEUE) === 0) {
        throw new QapiError('multiqueue required, but no kernel support for IFF_MULTI_QUEUE available');
      }
      const flags =
        IFF_TAP |
        IFF_NO_PI |
        (features & IFF_ONE_QUEUE) |
        (vnetHeader ? IFF_VNET_HDR : 0) |
        (queues > 1 ? IFF_MULTI_QUEUE : 0);
      interfaceName = attach(descriptor, interfaceName, flags);
    }
    return { queues: opened, interfaceName, vnetHeader, offloads: negotiate(opened, vnetHeader) };
  } catch (error) {
    for (const descriptor of opened) descriptor.close();
    throw error;
  }
}

/** Taps that somebody else opened. @throws QapiError with QEMU's text; the descriptors are closed then */
export function adoptDevice(kernel: Kernel, numbers: readonly number[], wording: (fd: number) => string): TapDevice {
  const opened: Descriptor[] = [];
  try {
    let vnetHeader = false;
    let interfaceName = '';
    for (const [i, number] of numbers.entries()) {
      const descriptor = adopt(kernel, number, wording);
      opened.push(descriptor);
      const request = new Uint8Array(IFREQ_BYTES);
      worded(`Unable to query TUNGETIFF on FD ${number}`, () => descriptor.ioctl('TUNGETIFF', request));
      const has = (flagsOf(request) & IFF_VNET_HDR) !== 0;
      if (i > 0 && has !== vnetHeader) throw new QapiError('vnet_hdr not consistent across given tap fds');
      vnetHeader = has;
      interfaceName = nameOf(request);
    }
    return { queues: opened, interfaceName, vnetHeader, offloads: negotiate(opened, vnetHeader) };
  } catch (error) {
    for (const descriptor of opened) descriptor.close();
    throw error;
  }
}

/** @throws QapiError if it fails and the user asked for it */
export function limitSendBuffer(device: TapDevice, bytes: number, asked: boolean): void {
  for (const descriptor of device.queues) {
    try {
      descriptor.ioctl('TUNSETSNDBUF', int(bytes));
    } catch (error) {
      if (asked) throw new QapiError(`TUNSETSNDBUF ioctl failed: ${(error as Error).message}`, { cause: error });
    }
  }
}

function openTun(kernel: Kernel): Descriptor {
  try {
    return kernel.open(TUN_DEVICE);
  } catch (error) {
    if (!(error instanceof HostError) || error.code === 'ENOTSUP') throw error;
    const hint =
      error.code === 'ENOENT' || error.code === 'ENODEV'
        ? 'the module tun makes it: modprobe tun'
        : 'see `netyard doctor` for what a tap needs';
    throw new QapiError(`could not open ${TUN_DEVICE}: ${error.message}`, { cause: error, hint });
  }
}

function attach(descriptor: Descriptor, name: string, flags: number): string {
  const request = new Uint8Array(IFREQ_BYTES);
  const pattern = new TextEncoder().encode(name === '' ? 'tap%d' : name);
  if (pattern.length >= NAME_BYTES) throw new QapiError(`interface name '${name}' is longer than 15 bytes`);
  request.set(pattern);
  request[FLAGS_OFFSET] = flags & 255;
  request[FLAGS_OFFSET + 1] = flags >> 8;
  const named = name === '' ? '' : ` (${name})`;
  try {
    descriptor.ioctl('TUNSETIFF', request);
  } catch (error) {
    throw new QapiError(`could not configure ${TUN_DEVICE}${named}: ${(error as Error).message}`, {
      cause: error,
      ...((error as HostError).code === 'EPERM'
        ? { hint: 'making an interface needs CAP_NET_ADMIN: `netyard netns` does without, a bridge helper too' }
        : {}),
    });
  }
  return nameOf(request);
}

/** Checksums and TCP segmentation pass through unfinished, both ways, where the header can say so. */
function negotiate(queues: readonly Descriptor[], vnetHeader: boolean): number {
  if (!vnetHeader) return 0;
  for (const descriptor of queues) {
    descriptor.ioctl('TUNSETVNETHDRSZ', int(VNET_HEADER_LENGTH));
    try {
      descriptor.ioctl('TUNSETOFFLOAD', TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN);
    } catch (error) {
      // An old kernel: it sends finished frames then, and still takes unfinished ones.
      if (!(error instanceof HostError)) throw error;
    }
  }
  return OFFLOAD_CHECKSUM | OFFLOAD_TSO4 | OFFLOAD_TSO6;
}

function adopt(kernel: Kernel, number: number, wording: (fd: number) => string): Descriptor {
  try {
    return kernel.adopt(number);
  } catch (error) {
    if (!(error instanceof HostError) || error.code === 'ENOTSUP') throw error;
    throw new QapiError(`${wording(number)}: ${error.message}`, { cause: error });
  }
}

function worded<T>(prefix: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw new QapiError(`${prefix}: ${(error as Error).message}`, { cause: error });
  }
}

function word(descriptor: Descriptor, name: string): number {
  const bytes = new Uint8Array(4);
  descriptor.ioctl(name, bytes);
  return new DataView(bytes.buffer).getUint32(0, true);
}

function int(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}

const flagsOf = (request: Uint8Array): number =>
  (request[FLAGS_OFFSET] as number) | ((request[FLAGS_OFFSET + 1] as number) << 8);

function nameOf(request: Uint8Array): string {
  const end = request.indexOf(0);
  return new TextDecoder().decode(request.subarray(0, Math.min(end < 0 ? NAME_BYTES : end, NAME_BYTES)));
}
