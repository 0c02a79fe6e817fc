/** Opening and setting up a tap: the ioctls QEMU makes, in its order (QEMU net/tap-linux.c, net/tap.c). */
import {
  type Descriptor,
  HostError,
  type Kernel,
  OFFLOAD_CHECKSUM,
  OFFLOAD_TSO4,
  OFFLOAD_TSO6,
  OFFLOAD_UDP_SEGMENTATION,
} from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';
import { VNET_HEADER_LENGTH } from '../../wire/index.ts';
import { indexOf, int, nameOf, requestFor, WORD_AT, word } from './interface.ts';

const TUN_DEVICE = '/dev/net/tun';
const VHOST_DEVICE = '/dev/vhost-net';

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
const TUN_F_USO4 = 0x20;
const TUN_F_USO6 = 0x40;
const TCP_OFFLOADS = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

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
      const descriptor = openMacvtap(kernel, name) ?? openTun(kernel);
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

/**
 * Taps that somebody else opened, by what `fd=` and `fds=` say. On failure one that was sent to us is closed; a number
 * stays open, for it may be that of another part of this process.
 * @param take gives the number behind a text
 * @param discard closes a number that was sent to us and could not be used
 * @param id the netdev's, for error texts
 * @throws QapiError with QEMU's text
 */
export function adoptDevice(
  kernel: Kernel,
  texts: readonly string[],
  take: (text: string) => number,
  discard: (number: number) => void,
  id: string,
): TapDevice {
  const opened: Descriptor[] = [];
  try {
    for (const text of texts) {
      const number = take(text);
      try {
        opened.push(adopt(kernel, number, id));
      } catch (error) {
        if (!isNumber(text)) discard(number);
        throw error;
      }
    }
    return deviceOf(opened);
  } catch (error) {
    for (const [i, descriptor] of opened.entries()) {
      if (isNumber(texts[i] as string)) descriptor.release();
      else descriptor.close();
    }
    throw error;
  }
}

const isNumber = (text: string): boolean => /^\d/.test(text);

/** An open tap, or several queues of one. @throws QapiError with QEMU's text; nothing is closed */
export function deviceOf(queues: readonly Descriptor[]): TapDevice {
  let vnetHeader: boolean | undefined;
  let interfaceName = '';
  for (const descriptor of queues) {
    const { number } = descriptor;
    const request = requestFor('');
    worded(`Unable to query TUNGETIFF on FD ${number}`, () => descriptor.ioctl('TUNGETIFF', request));
    const flags = flagsOf(request);
    if ((flags & IFF_TAP) === 0) throw new QapiError(`FD ${number} is a tun device, not a tap: it has no Ethernet`);
    const has = (flags & IFF_VNET_HDR) !== 0;
    vnetHeader ??= has;
    if (has !== vnetHeader) throw new QapiError('vnet_hdr not consistent across given tap fds');
    interfaceName = nameOf(request);
  }
  return { queues, interfaceName, vnetHeader: vnetHeader === true, offloads: negotiate(queues, vnetHeader === true) };
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

/** QEMU looks for a macvtap of that name first. */
function openMacvtap(kernel: Kernel, name: string): Descriptor | undefined {
  if (name === '') return undefined;
  try {
    const index = indexOf(kernel, name);
    return index === undefined ? undefined : kernel.open(`/dev/tap${index}`);
  } catch {
    return undefined;
  }
}

function attach(descriptor: Descriptor, name: string, flags: number): string {
  const request = requestFor(name === '' ? 'tap%d' : name);
  new DataView(request.buffer).setUint16(WORD_AT, flags, true);
  const named = name === '' ? '' : ` (${name})`;
  try {
    descriptor.ioctl('TUNSETIFF', request);
  } catch (error) {
    const hint = HINTS[(error as HostError).code];
    throw new QapiError(`could not configure ${TUN_DEVICE}${named}: ${(error as Error).message}`, {
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
  return nameOf(request);
}

const HINTS: Readonly<Record<string, string>> = {
  EPERM: 'making an interface needs CAP_NET_ADMIN: `netyard netns` does without it, so does a helper (helper=PATH)',
  EBUSY: 'another program has this interface open',
  EINVAL:
    'the name is that of another kind of interface, of a tap made with another number of queues, or none that an interface can have',
};

/** Checksums and segmentation pass through unfinished, both ways, where the header can say so. */
function negotiate(queues: readonly Descriptor[], vnetHeader: boolean): number {
  if (!vnetHeader) {
    // A persistent tap may remember offloads that only a header could describe.
    for (const descriptor of queues) offload(descriptor, 0);
    return 0;
  }
  let udp = OFFLOAD_UDP_SEGMENTATION;
  for (const descriptor of queues) {
    worded('TUNSETVNETHDRSZ ioctl failed', () => descriptor.ioctl('TUNSETVNETHDRSZ', int(VNET_HEADER_LENGTH)));
    if (offload(descriptor, TCP_OFFLOADS | TUN_F_USO4 | TUN_F_USO6)) continue;
    // Before Linux 6.2. One that takes none at all sends finished frames, and still takes unfinished ones.
    udp = 0;
    offload(descriptor, TCP_OFFLOADS);
  }
  return OFFLOAD_CHECKSUM | OFFLOAD_TSO4 | OFFLOAD_TSO6 | udp;
}

function offload(descriptor: Descriptor, mask: number): boolean {
  try {
    descriptor.ioctl('TUNSETOFFLOAD', mask);
    return true;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    return false;
  }
}

/**
 * vhost-net moves frames between a tap and the memory of a guest, which a yard does not have.
 * @throws QapiError as QEMU where vhost-net does not work.
 */
export function refuseVhost(kernel: Kernel): never {
  const hint = 'vhost-net works on the memory of a guest, which this program does not have: leave vhost= away';
  try {
    kernel.open(VHOST_DEVICE).close();
  } catch (error) {
    throw new QapiError(`tap: open vhost char device failed: ${(error as Error).message}`, { cause: error, hint });
  }
  throw new QapiError('vhost-net requested but could not be initialized', { hint });
}

function adopt(kernel: Kernel, number: number, id: string): Descriptor {
  try {
    return kernel.adopt(number);
  } catch (error) {
    if (!(error instanceof HostError) || error.code === 'ENOTSUP') throw error;
    throw new QapiError(`${id}: Can't use file descriptor ${number}: ${error.message}`, { cause: error });
  }
}

function worded<T>(prefix: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw new QapiError(`${prefix}: ${(error as Error).message}`, { cause: error });
  }
}

const flagsOf = (request: Uint8Array): number => new DataView(request.buffer).getUint16(WORD_AT, true);
