/** A guest's packet as ICMP errors about it quote it: from its IP header on, up to QUOTE bytes. */
import { QUOTE } from './icmp.ts';
import type { IpPacket, Quote } from './ip-layer.ts';

const SMALL_QUOTE = 128;
const NOTHING = new Uint8Array(0);

/** The last packet of a flow. Its memory is used again. */
export class PacketQuote implements Quote {
  #bytes = NOTHING;
  #length = 0;
  #ingress = 0;

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** 0 = no packet that an ICMP error may be about. */
  get length(): number {
    return this.#length;
  }

  get ingress(): number {
    return this.#ingress;
  }

  remember(packet: IpPacket): void {
    const { bytes, ipOffset } = packet;
    const whole = packet.transportOffset - ipOffset + packet.transportLength;
    const length = packet.toGroup ? 0 : Math.min(QUOTE, whole);
    if (this.#bytes.length < length) this.#bytes = new Uint8Array(length < SMALL_QUOTE ? SMALL_QUOTE : QUOTE);
    this.#bytes.set(bytes.subarray(ipOffset, ipOffset + length));
    this.#length = length;
    this.#ingress = packet.ingress;
  }
}
