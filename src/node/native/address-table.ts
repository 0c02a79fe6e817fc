/**
 * Addresses as bytes to address objects and back. Peers repeat: the same bytes give the same object again, so that a
 * datagram costs no string, and an object's bytes are made once.
 */
import type { InetAddress, SocketAddress } from '../../net/index.ts';
import { formatIpv4, formatIpv6 } from '../../wire/index.ts';
import { KeptAnswers } from '../kept-answers.ts';
import { interfaceName } from './interface-names.ts';
import { AF_INET, AF_INET6, AF_UNIX, AF_VSOCK } from './linux.ts';
import { decodeUnixPath, decodeVsock, encodeAddress, familyAt, SOCKADDR_BYTES, scopeAt } from './sockaddr.ts';

/** Peers remembered at once; beyond it the table starts anew (objects handed out stay valid). */
const MAX_INTERNED = 8192;
/** Hosts of one hash: whoever makes up addresses that collide must not make each datagram slower. */
const MAX_CHAIN = 8;
const IN_BYTES = 16;
const IN6_BYTES = 28;

/** One IPv6 host; those of one hash are chained. */
interface Host6 {
  readonly words: Int32Array;
  readonly text: string;
  readonly ports: Map<number, InetAddress>;
  readonly next: Host6 | undefined;
  readonly depth: number;
}

interface Host4 {
  readonly text: string;
  readonly ports: Map<number, InetAddress>;
}

export class SockaddrTable {
  // Keys are int32: those need no allocation to look up.
  readonly #ipv4 = new Map<number, Host4>();
  readonly #ipv6 = new Map<number, Host6>();
  #encoded = new WeakMap<SocketAddress, Uint8Array>();
  #count = 0;
  readonly #words = new Int32Array(5);
  readonly #names: KeptAnswers<number, string>;

  constructor(names = new KeptAnswers(interfaceName)) {
    this.#names = names;
  }

  /** @returns undefined for an address that is none: an unnamed unix socket, an unknown family. */
  decode(bytes: Uint8Array, at: number, length: number): SocketAddress | undefined {
    switch (familyAt(bytes, at, length)) {
      case AF_INET:
        return length < IN_BYTES ? undefined : this.#inet(bytes, at);
      case AF_INET6:
        return length < IN6_BYTES ? undefined : this.#inet6(bytes, at);
      case AF_UNIX: {
        const path = decodeUnixPath(bytes, at, length);
        return path === '' ? undefined : { family: 'unix', path };
      }
      case AF_VSOCK:
        return { family: 'vsock', ...decodeVsock(bytes, at) };
      default:
        return undefined;
    }
  }

  /**
   * The kernel's form of an address, kept as long as the object.
   * @throws HostError as encodeAddress.
   */
  encode(address: SocketAddress): Uint8Array {
    const known = this.#encoded.get(address);
    if (known !== undefined) return known;
    const bytes = new Uint8Array(SOCKADDR_BYTES);
    const encoded = bytes.slice(0, encodeAddress(address, bytes, 0));
    this.#encoded.set(address, encoded);
    return encoded;
  }

  #inet(bytes: Uint8Array, at: number): InetAddress {
    const ip = big32(bytes, at + 4);
    const port = portAt(bytes, at);
    let host = this.#ipv4.get(ip);
    const known = host?.ports.get(port);
    if (known !== undefined) return known;
    if (this.#makeRoom()) host = undefined;
    if (host === undefined) {
      host = { text: formatIpv4(ip), ports: new Map() };
      this.#ipv4.set(ip, host);
    }
    const address: InetAddress = { family: 'ipv4', host: host.text, port };
    host.ports.set(port, address);
    return address;
  }

  #inet6(bytes: Uint8Array, at: number): InetAddress {
    const words = this.#words;
    let hash = 0;
    for (let i = 0; i < 4; i++) {
      const word = big32(bytes, at + 8 + 4 * i);
      words[i] = word;
      hash = (Math.imul(hash, 0x01000193) ^ word) | 0;
    }
    const scope = scopeAt(bytes, at);
    words[4] = scope;
    const port = portAt(bytes, at);
    let host = this.#find6(hash);
    const known = host?.ports.get(port);
    if (known !== undefined) return known;
    if (this.#makeRoom()) host = undefined;
    if (host === undefined) {
      const text = formatIpv6(new Uint32Array(words.buffer.slice(0, 16)));
      const first = this.#ipv6.get(hash);
      const next = first === undefined || first.depth >= MAX_CHAIN ? undefined : first;
      host = {
        words: words.slice(),
        text: scope === 0 ? text : `${text}%${this.#names.get(scope)}`,
        ports: new Map(),
        next,
        depth: next === undefined ? 1 : next.depth + 1,
      };
      this.#ipv6.set(hash, host);
    }
    const address: InetAddress = { family: 'ipv6', host: host.text, port };
    host.ports.set(port, address);
    return address;
  }

  #find6(hash: number): Host6 | undefined {
    const words = this.#words;
    for (let host = this.#ipv6.get(hash); host !== undefined; host = host.next) {
      const known = host.words;
      if (
        known[0] === words[0] &&
        known[1] === words[1] &&
        known[2] === words[2] &&
        known[3] === words[3] &&
        known[4] === words[4]
      ) {
        return host;
      }
    }
    return undefined;
  }

  /** Counts one more; whether the table had to be emptied for it. */
  #makeRoom(): boolean {
    this.#count++;
    if (this.#count <= MAX_INTERNED) return false;
    this.#ipv4.clear();
    this.#ipv6.clear();
    this.#encoded = new WeakMap();
    this.#count = 1;
    return true;
  }
}

const portAt = (bytes: Uint8Array, at: number): number => ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);

const big32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 24) |
  ((bytes[at + 1] as number) << 16) |
  ((bytes[at + 2] as number) << 8) |
  (bytes[at + 3] as number);
