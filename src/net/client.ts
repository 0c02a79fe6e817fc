/** Net clients and their ports: the two halves of every end of a wire. QEMU: NetClientState (net/net.c). */
import type { Frame } from './frame.ts';
import type { Host, InetAddress, Log } from './host.ts';
import type { Trace } from './trace.ts';

/** Port.send: delivered or queued, the way is clear. */
export const TAKEN = 0;
/**
 * Port.send: stop until onReady. The frame is taken, but the way it went is over its high-water mark; or it is dealt with as
 * any other, and the sender has used up its turn (turns.ts).
 */
export const BUSY = 1;
/** Port.send: gone and counted. */
export const DROPPED = 2;
export type SendResult = typeof TAKEN | typeof BUSY | typeof DROPPED;

/** One end of a wire: a backend, a NIC, a hub or switch port. */
export interface NetClient {
  /** What it takes whole: OFFLOAD_* bits. */
  readonly offloads: number;
  /** The frame is borrowed. false = not taken, and port.ready() follows when it can be. Never throws on guest bytes. */
  receive(frame: Frame): boolean;
  /** The effective link (administrator's word AND carrier, of this end and its peer) changed. */
  linkChanged(up: boolean): void;
  /** QEMU's info_str: what follows `type=<driver>,` in `info network`. At most 255 characters are shown. */
  info(): string;
  /** Resolves when every name it held (port, path, interface) is free again. Idempotent. */
  close(): Promise<void>;
  /**
   * Told BUSY, it stops only what is on its way to that destination address (user). Behind a switch of more than two
   * ports nobody else is told BUSY: a source that stopped for one slow guest would freeze the others.
   */
  readonly perFlowBusy?: boolean;
  /** A netdev that only makes children, as `listener`: it has no wire of its own and is no port of the switch. */
  readonly hasNoWire?: boolean;
  /** The port that frames with this Frame.ingress came in by is gone: nobody holds what was held for it. */
  ingressGone?(ingress: number): void;
  /** Present on `user`: its control surface for queries and forwards. */
  readonly usernet?: UsernetControl;
}

/** Why frames were dropped, each a plain counter. Names are stable: they are shown by the queries. */
export type DropReason = string;

/** Per wire end, before conversion: sent = taken + dropped + queued. */
export interface Counters {
  /** Frames and bytes this client gave to its port. */
  sentFrames: number;
  sentBytes: number;
  /** Frames and bytes delivered to this client. */
  receivedFrames: number;
  receivedBytes: number;
  /** Frames on their way to this client, or that it sent and that went nowhere, by the reason why they were dropped. */
  readonly dropped: Record<DropReason, number>;
}

/** The core's side of an end, handed to the client's factory. */
export interface Port {
  readonly name: string;
  /** Sends a borrowed frame towards the peer. Never delivers back into the caller synchronously. */
  send(frame: Frame): SendResult;
  /** The client has sent what it read: what follows is not its time (turns.ts). */
  sent(): void;
  /** The client can take frames again after receive() returned false. */
  ready(): void;
  /** Called (outside send and receive) when the way is clear again after BUSY. Set by the client. */
  onReady: () => void;
  /** Connected or not: link = the administrator's word AND carrier. Ports start with carrier up. */
  carrier(up: boolean): void;
  /** Counts a drop of the client's own (malformed input, overflow); shown with the port's counters. */
  drop(reason: DropReason): void;
  /**
   * A frame that came in by the port `ingress` (Frame.ingress) will cost so much more, milliseconds: a socket that opens,
   * an answer of the kernel. Counted as that port's share of time.
   */
  charge(ingress: number, ms: number): void;
  /** What the port of that Frame.ingress is called, for the log; undefined = it is gone. */
  nameOf(ingress: number): string | undefined;
  /** An address that lives behind this port: a static entry in the switch's table. 48-bit number. */
  claimAddress(mac: number): void;
  /** An IPv4 address, 32 bits, that this client answers for: who comes in by another port of the switch cannot claim it. */
  ownAddress(address: number): void;
  readonly linkUp: boolean;
  readonly counters: Counters;
}

/** A QAPI event's emitter: name and data as the schema gives them. */
export type EmitEvent = (name: string, data: Record<string, unknown>) => void;

/** TCP addresses of this machine that no guest may reach through its sockets: those of the yard's monitors. */
export interface GuardedAddresses {
  /**
   * Whether a connection to `to` arrives at one of them.
   * @param isOwnAddress which addresses a listener on all of them has
   */
  includes(to: InetAddress, isOwnAddress: (host: string) => boolean): boolean;
}

/** What a driver may do beside its own port. */
export interface NetdevContext {
  readonly id: string;
  readonly port: Port;
  readonly host: Host;
  readonly log: Log;
  readonly trace: Trace;
  /** Whether the netdevs of this yard are ports of a switch: several guests, each by its own. */
  readonly isSwitched?: boolean;
  /** A directory of this yard's alone for what outlives it; it may not be there yet. undefined = nothing is kept. */
  readonly stateDirectory?: string | undefined;
  /** Aborted by netdev_del and by the yard's end, also while the factory is still running. */
  readonly signal: AbortSignal;
  readonly emit: EmitEvent;
  readonly protectedAddresses: GuardedAddresses;
  /**
   * A further port of the yard's switch that this netdev owns (listener: one per connection). The core removes it when
   * `remove` is called or the owner is deleted. `onKick` is netdev_del on the child's name.
   */
  openChild(name: string, create: (port: Port) => NetClient, onKick: () => void): ChildPort;
  /**
   * The descriptor an `fd=` option names: a number, or a name that getfd gave, which is used up by this. The caller owns
   * it from now on. Throws QapiError with QEMU's text.
   */
  takeDescriptor(text: string): number;
  /** hubport: joins the hub and, with `netdev`, wires to that netdev. Throws QapiError with QEMU's text. */
  joinHub(hubId: number, netdev: string | undefined): NetClient;
}

export interface ChildPort {
  readonly port: Port;
  remove(): void;
}

/** Options are the schema's branch type for the driver, wire names kept. Rejects with QapiError or HostError. */
export type NetdevFactory<T> = (options: T, context: NetdevContext) => Promise<NetClient>;

export interface Lease {
  readonly mac: string;
  readonly address: string;
  readonly hostname?: string | undefined;
  /** Seconds until it expires. */
  readonly expiresIn: number;
}

export interface Forward {
  readonly protocol: 'tcp' | 'udp';
  readonly hostAddress: string;
  /** The port really bound. */
  readonly hostPort: number;
  readonly guestAddress: string;
  readonly guestPort: number;
}

export interface Flow {
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  readonly state: string;
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
  readonly receiveQueue: number;
  readonly sendQueue: number;
}

export interface UsernetControl {
  /** What guests see: `10.0.2.0/24`, the gateway that is the host, the name server, the first lease. */
  readonly addresses: {
    readonly network: string;
    readonly host: string;
    readonly dns: string;
    readonly dhcpStart: string;
  };
  leases(): Lease[];
  forwards(): Forward[];
  flows(): Flow[];
  /** QEMU's hostfwd rule text. Rejects with QapiError with QEMU's text. Resolves with the bound forward. */
  addForward(rule: string): Promise<Forward>;
  /** `[tcp|udp]:[addr]:port`; false if there is none. Throws QapiError('invalid format'). */
  removeForward(spec: string): Promise<boolean>;
  /** Counters of the stack (drops by reason, pool use), for queries and tests. */
  statistics(): Record<string, number>;
}
