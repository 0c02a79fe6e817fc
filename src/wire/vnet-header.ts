/** struct virtio_net_hdr as taps pass it (linux/virtio_net.h), 10 bytes, little endian. */

export const VNET_HEADER_LENGTH = 10;

export const vnetFlags = (b: Uint8Array, o: number): number => b[o] as number;
export const vnetGsoType = (b: Uint8Array, o: number): number => b[o + 1] as number;
export const vnetHeaderLength = (b: Uint8Array, o: number): number => little16(b, o + 2);
export const vnetGsoSize = (b: Uint8Array, o: number): number => little16(b, o + 4);
export const vnetChecksumStart = (b: Uint8Array, o: number): number => little16(b, o + 6);
export const vnetChecksumOffset = (b: Uint8Array, o: number): number => little16(b, o + 8);

export function emitVnetHeader(
  b: Uint8Array,
  o: number,
  flags: number,
  gsoType: number,
  headerLength: number,
  gsoSize: number,
  checksumStart: number,
  checksumOffset: number,
): void {
  b[o] = flags;
  b[o + 1] = gsoType;
  putLittle16(b, o + 2, headerLength);
  putLittle16(b, o + 4, gsoSize);
  putLittle16(b, o + 6, checksumStart);
  putLittle16(b, o + 8, checksumOffset);
}

function little16(b: Uint8Array, o: number): number {
  return (b[o] as number) | ((b[o + 1] as number) << 8);
}

function putLittle16(b: Uint8Array, o: number, value: number): void {
  b[o] = value & 255;
  b[o + 1] = value >>> 8;
}
