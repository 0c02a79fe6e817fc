/**
 * A frame in flight: Ethernet bytes without FCS, and what a virtio_net_hdr would say about them.
 *
 * Contract: object and bytes are borrowed. They belong to the sender, are valid only during the call, and nobody else
 * writes them, headroom included. Who needs them longer copies. The bytes may be guest memory that changes meanwhile:
 * read each header field once into a local and derive bounds from locals only.
 */

/** The checksum at checksumStart + checksumOffset still has to be filled in (VIRTIO_NET_HDR_F_NEEDS_CSUM). */
export const FRAME_NEEDS_CHECKSUM = 1;
/** The checksums were verified by who sent it (VIRTIO_NET_HDR_F_DATA_VALID). */
export const FRAME_DATA_VALID = 2;

/** gsoType values (VIRTIO_NET_HDR_GSO_*). */
export const GSO_NONE = 0;
export const GSO_TCPV4 = 1;
export const GSO_UDP = 3;
export const GSO_TCPV6 = 4;
export const GSO_UDP_L4 = 5;
/** Ored to a TCP type when CWR may be set in the first segment only. */
export const GSO_ECN = 0x80;

/** Largest frame anywhere, bytes (QEMU NET_BUFSIZE). */
export const MAX_FRAME_LENGTH = 69632;
export const ETHERNET_HEADER_LENGTH = 14;
/** Shortest frame on an Ethernet wire without FCS, bytes. */
export const MIN_FRAME_LENGTH = 60;

/** What a net client takes whole; the core converts the rest (bits of NetClient.offloads). */
export const OFFLOAD_CHECKSUM = 1;
export const OFFLOAD_TSO4 = 2;
export const OFFLOAD_TSO6 = 4;
export const OFFLOAD_UDP_SEGMENTATION = 8;

const EMPTY = new Uint8Array(0);

export class Frame {
  bytes: Uint8Array = EMPTY;
  offset = 0;
  length = 0;
  flags = 0;
  gsoType = GSO_NONE;
  gsoSize = 0;
  headerLength = 0;
  checksumStart = 0;
  checksumOffset = 0;
  /** Multiqueue: the pair this frame belongs to. */
  queue = 0;
  /**
   * The port it came in by, one for each connection of a listener: Endpoint.serial, from 1 on. Set by the core, and kept
   * through queues, relays and copies.
   */
  ingress = 0;

  /** Points this frame at plain bytes: no offload metadata. */
  setPlain(bytes: Uint8Array, offset: number, length: number): this {
    this.bytes = bytes;
    this.offset = offset;
    this.length = length;
    this.flags = 0;
    this.gsoType = GSO_NONE;
    this.gsoSize = 0;
    this.headerLength = 0;
    this.checksumStart = 0;
    this.checksumOffset = 0;
    return this;
  }
}
