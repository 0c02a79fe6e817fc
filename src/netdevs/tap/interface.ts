/** struct ifreq (netdevice(7)) for taps and bridges: a name of 16 bytes, then a value; 40 bytes in all. */
import { type Descriptor, HostError, type Kernel } from '../../net/index.ts';
import { QapiError } from '../../qapi/index.ts';

const IFREQ_BYTES = 40;
const NAME_BYTES = 16;
/** Where the value is: flags, an index, an MTU, or an address behind its family. */
export const WORD_AT = 16;

/** @throws QapiError for a name that no interface can have */
export function requestFor(name: string): Uint8Array<ArrayBuffer> {
  const request = new Uint8Array(IFREQ_BYTES);
  const bytes = new TextEncoder().encode(name);
  if (bytes.length >= NAME_BYTES) throw new QapiError(`interface name '${name}' is longer than 15 bytes`);
  request.set(bytes);
  return request;
}

export function nameOf(request: Uint8Array): string {
  const end = request.indexOf(0);
  return new TextDecoder().decode(request.subarray(0, Math.min(end < 0 ? NAME_BYTES : end, NAME_BYTES)));
}

/** The interface's number, undefined when there is none of that name. */
export function indexOf(kernel: Kernel, name: string): number | undefined {
  const control = kernel.controlSocket();
  try {
    return readWord(control, 'SIOCGIFINDEX', name);
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    return undefined;
  } finally {
    control.close();
  }
}

/** What a SIOCGIF... answers about an interface. @throws HostError */
export function readWord(control: Descriptor, call: string, name: string): number {
  const request = requestFor(name);
  control.ioctl(call, request);
  return new DataView(request.buffer).getInt32(WORD_AT, true);
}

/** @throws HostError */
export function writeWord(control: Descriptor, call: string, name: string, value: number): void {
  const request = requestFor(name);
  new DataView(request.buffer).setInt32(WORD_AT, value, true);
  control.ioctl(call, request);
}

/** The int that an ioctl writes. @throws HostError */
export function word(descriptor: Descriptor, call: string): number {
  const bytes = new Uint8Array(4);
  descriptor.ioctl(call, bytes);
  return new DataView(bytes.buffer).getInt32(0, true);
}

/** An int as an ioctl takes it. */
export function int(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}
