/** An in-process guest: a NIC-type net client whose other side is the program that uses the library. */
import { QapiError } from '../qapi/error.ts';
import { formatMac, isMulticastMac, parseMac } from '../wire/index.ts';
import { type Counters, DROPPED, type NetClient, type SendResult } from './client.ts';
import type { Endpoint } from './endpoint.ts';
import { Frame } from './frame.ts';
import type { Network } from './network.ts';

export interface GuestPortOptions {
  /** Its name among the NICs. */
  readonly id: string;
  /** `52:54:00:12:34:56`; unset = the first free one of QEMU's range. */
  readonly mac?: string | undefined;
  /** The netdev it is wired to; unset = it is a port of the switch. */
  readonly netdev?: string | undefined;
}

export interface GuestPort {
  readonly id: string;
  readonly mac: string;
  readonly linkUp: boolean;
  readonly counters: Counters;
  /**
   * Sends one Ethernet frame without FCS. The bytes may be reused afterwards.
   * @returns TAKEN, BUSY (taken; wait for onReady) or DROPPED (counted).
   */
  send(bytes: Uint8Array): SendResult;
  /** Sends a frame with offload metadata. */
  sendFrame(frame: Frame): SendResult;
  /** A frame for this guest. The bytes are borrowed and read-only: valid only during the call. */
  onFrame: (bytes: Uint8Array) => void;
  /** The way is clear again after BUSY. */
  onReady: () => void;
  onLinkChanged: (up: boolean) => void;
  /** Between these, frames wait in the port's queue. */
  pause(): void;
  resume(): void;
  /** Unplugs it. */
  close(): Promise<void>;
}

/**
 * Plugs an in-process guest into a network.
 * @throws QapiError for an id in use, a bad address, an unknown or busy netdev.
 * @example
 * const port = createGuestPort(network, { id: 'vm0' });
 * port.onFrame = (bytes) => console.log(bytes.length);
 * port.send(frame);
 */
export function createGuestPort(network: Network, options: GuestPortOptions): GuestPort {
  const { id, netdev } = options;
  if (network.find(id).some((client) => client.isNic)) {
    throw new QapiError(`Duplicate device ID '${id}'`);
  }
  const mac = options.mac === undefined ? network.freeMac() : checkedMac(options.mac);
  const target = netdev === undefined ? undefined : network.findNetdev(netdev);
  if (netdev !== undefined && target === undefined) throw new QapiError(`netdev '${netdev}' not found`);
  if (target !== undefined && target.wired !== undefined) {
    throw new QapiError(`netdev '${netdev}' is already in use`);
  }
  const endpoint = network.open(id, 'nic', { isNetdev: false, model: 'netyard', mac });
  const port = new InProcessGuest(network, endpoint, formatMac(mac));
  endpoint.attach(port);
  if (target === undefined) network.autoSwitch(endpoint);
  else network.wire(endpoint, target);
  return port;
}

function checkedMac(text: string): number {
  const mac = parseMac(text);
  if (mac === undefined) throw new QapiError('invalid syntax for ethernet address');
  if (isMulticastMac(mac)) throw new QapiError('NIC cannot have multicast MAC address (odd 1st byte)');
  return mac;
}

class InProcessGuest implements NetClient, GuestPort {
  readonly offloads = 0;
  readonly mac: string;
  onFrame: (bytes: Uint8Array) => void = () => {};
  onLinkChanged: (up: boolean) => void = () => {};
  readonly #network: Network;
  readonly #endpoint: Endpoint;
  readonly #frame = new Frame();
  #isPaused = false;

  constructor(network: Network, endpoint: Endpoint, mac: string) {
    this.#network = network;
    this.#endpoint = endpoint;
    this.mac = mac;
  }

  get id(): string {
    return this.#endpoint.name;
  }

  get linkUp(): boolean {
    return this.#endpoint.linkUp;
  }

  get counters(): Counters {
    return this.#endpoint.counters;
  }

  get onReady(): () => void {
    return this.#endpoint.onReady;
  }

  set onReady(callback: () => void) {
    this.#endpoint.onReady = callback;
  }

  send(bytes: Uint8Array): SendResult {
    // A plain JavaScript caller's mistake must not reach the data path, where lengths are trusted.
    if (!(bytes instanceof Uint8Array)) throw new TypeError('a frame is a Uint8Array');
    return this.sendFrame(this.#frame.setPlain(bytes, 0, bytes.length));
  }

  sendFrame(frame: Frame): SendResult {
    return this.#endpoint.isRemoved ? DROPPED : this.#endpoint.send(frame);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#endpoint.ready();
  }

  receive(frame: Frame): boolean {
    if (this.#isPaused) return false;
    this.onFrame(frame.bytes.subarray(frame.offset, frame.offset + frame.length));
    return true;
  }

  linkChanged(up: boolean): void {
    this.onLinkChanged(up);
  }

  info(): string {
    return `model=netyard,macaddr=${this.mac}`;
  }

  async close(): Promise<void> {
    this.#network.remove(this.#endpoint);
  }
}
