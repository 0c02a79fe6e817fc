/**
 * A TCP connection to one name server (RFC 7766): messages go out in order, answers come in whole. A message is preceded by
 * its length, here as in all that is passed on.
 */
import { type HostErrorCode, SOCKET_FAILED, type StreamEvent, type StreamSocket } from '../net/host.ts';
import type { Shares } from '../net/index.ts';
import { DNS_HEADER_LENGTH, u16 } from '../wire/index.ts';

export const LENGTH_BYTES = 2;
/** Read in one turn, bytes. */
const READ_BUDGET = 256 * 1024;

export interface DnsUpstreamOwner {
  connected(): void;
  /** A whole message, whose bytes the owner gives back to the shares. */
  received(message: Uint8Array): void;
  /** The connection is over, or never was; nothing follows. @param code of the error, where it is one */
  ended(code: HostErrorCode | undefined): void;
}

export class DnsUpstream {
  readonly #socket: StreamSocket;
  readonly #memory: Shares;
  readonly #ingress: number;
  readonly #owner: DnsUpstreamOwner;
  /** Not yet written, the first from #written on. */
  readonly #waiting: Uint8Array[] = [];
  #written = 0;
  #connected = false;
  #ending = false;
  #shut = false;
  #paused = false;
  #closed = false;
  readonly #length = new Uint8Array(LENGTH_BYTES);
  #lengthFilled = 0;
  /** Of the message that is being read. */
  #message: Uint8Array | undefined;
  #filled = 0;

  /** @param memory what is held of answers is taken from the share of `ingress` */
  constructor(socket: StreamSocket, memory: Shares, ingress: number, owner: DnsUpstreamOwner) {
    this.#socket = socket;
    this.#memory = memory;
    this.#ingress = ingress;
    this.#owner = owner;
    socket.onEvent = (event) => this.#onEvent(event);
  }

  send(message: Uint8Array): void {
    this.#waiting.push(message);
    this.#flush();
  }

  /** Nothing more will be sent. */
  shutdown(): void {
    if (this.#shut) return;
    this.#shut = true;
    this.#ending = true;
    this.#flush();
  }

  /** While paused nothing is read. */
  pause(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    this.#watch();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#forgetMessage();
    this.#socket.onEvent = () => {};
    this.#socket.close();
  }

  #onEvent(event: StreamEvent): void {
    if (this.#closed) return;
    if (event === 'error') {
      this.#end();
    } else if (event === 'readable' || event === 'closed') {
      this.#read();
    } else {
      if (event === 'connected') {
        this.#connected = true;
        this.#owner.connected();
      }
      this.#flush();
    }
  }

  #flush(): void {
    if (!this.#connected || this.#closed) return;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const count = this.#socket.write(next, this.#written, next.length - this.#written);
      if (count === SOCKET_FAILED) {
        this.#end();
        return;
      }
      if (count <= 0) break;
      this.#written += count;
      if (this.#written < next.length) break;
      this.#waiting.shift();
      this.#written = 0;
    }
    if (this.#waiting.length === 0 && this.#ending) {
      this.#ending = false;
      this.#socket.shutdown();
    }
    this.#watch();
  }

  #watch(): void {
    if (this.#closed || !this.#connected) return;
    this.#socket.interest(!this.#paused, this.#waiting.length > 0);
  }

  #read(): void {
    for (let read = 0; read < READ_BUDGET && !this.#closed && !this.#paused; ) {
      const count = this.#message === undefined ? this.#readLength() : this.#readMessage(this.#message);
      if (count === 0 || count === SOCKET_FAILED) {
        this.#end();
        return;
      }
      if (count < 0) return;
      read += count;
    }
  }

  #readLength(): number {
    const count = this.#socket.readInto(this.#length, this.#lengthFilled, LENGTH_BYTES - this.#lengthFilled);
    if (count <= 0) return count;
    this.#lengthFilled += count;
    if (this.#lengthFilled < LENGTH_BYTES) return count;
    this.#lengthFilled = 0;
    const size = LENGTH_BYTES + u16(this.#length, 0);
    if (size < LENGTH_BYTES + DNS_HEADER_LENGTH || !this.#memory.allows(this.#ingress, size)) return SOCKET_FAILED;
    this.#memory.take(this.#ingress, size);
    this.#message = new Uint8Array(size);
    this.#message.set(this.#length);
    this.#filled = LENGTH_BYTES;
    return count;
  }

  #readMessage(message: Uint8Array): number {
    const count = this.#socket.readInto(message, this.#filled, message.length - this.#filled);
    if (count <= 0) return count;
    this.#filled += count;
    if (this.#filled < message.length) return count;
    this.#message = undefined;
    this.#owner.received(message);
    return count;
  }

  #end(): void {
    if (this.#closed) return;
    const code = this.#socket.error?.code;
    this.close();
    this.#owner.ended(code);
  }

  #forgetMessage(): void {
    if (this.#message !== undefined) this.#memory.give(this.#ingress, this.#message.length);
    this.#message = undefined;
  }
}
