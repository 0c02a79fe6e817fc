/** The part of dns-packet that tests use; the package ships no types. */
declare module 'dns-packet' {
  export interface Question {
    readonly name: string;
    readonly type: string;
    readonly class?: string;
  }
  export interface Answer extends Question {
    readonly ttl?: number;
    readonly data?: unknown;
  }
  export interface Packet {
    readonly id?: number;
    readonly type?: 'query' | 'response';
    readonly flags?: number;
    readonly rcode?: string;
    readonly questions?: readonly Question[];
    readonly answers?: readonly Answer[];
  }
  export const RECURSION_DESIRED: number;
  export function encode(packet: Packet): Buffer;
  export function decode(bytes: Uint8Array): Packet;
  const dnsPacket: {
    readonly RECURSION_DESIRED: number;
    encode(packet: Packet): Buffer;
    decode(bytes: Uint8Array): Packet;
  };
  // biome-ignore lint/style/noDefaultExport: this is how the package is imported
  export default dnsPacket;
}
