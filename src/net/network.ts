/**
 * One set of net clients: the registry in creation order, the wires between them, hubs, the switch. QEMU: the list of
 * NetClientState and net/net.c around it.
 */
import { QapiError } from '../qapi/error.ts';
import { type AnnounceParameters, Announcer } from './announce.ts';
import type { NetClient } from './client.ts';
import { Endpoint, type EndpointOptions } from './endpoint.ts';
import { type EndpointContext, SWITCH_PORT } from './endpoint-context.ts';
import { QueueBudget } from './fair-queue.ts';
import type { Host } from './host.ts';
import { type Hub, HubPort } from './hub.ts';
import { Hubs, hubOf, refuseLoop } from './hubs.ts';
import { clientLine, infoText } from './info.ts';
import { Switch } from './switch.ts';
import { SwitchPort } from './switch-port.ts';
import { noTrace, type Trace } from './trace.ts';
import { Turns } from './turns.ts';

/** The first address QEMU gives to a NIC without one: 52:54:00:12:34:56. */
const FIRST_AUTO_MAC = 0x525400123456;
/** Its range ends at 52:54:00:12:34:fe; further ones go on in the same prefix. */
const AUTO_MACS = 65_536;

export interface NetworkOptions {
  readonly host: Host;
  /** Whether netdevs that nothing claims become ports of a switch. */
  readonly switch: boolean;
  readonly trace?: Trace;
}

export class Network {
  readonly host: Host;
  /** undefined when clients that nothing claims stay alone. */
  readonly switch: Switch | undefined;
  readonly #context: EndpointContext;
  readonly #announcer: Announcer;
  #clients: Endpoint[] = [];
  readonly #hubs = new Hubs();
  /** Clients that are on the switch whenever nothing claims them. */
  readonly #automatic = new Set<Endpoint>();
  /** Those of #clients, for whoever knows a Frame.ingress. */
  readonly #bySerial = new Map<number, Endpoint>();
  #serial = 0;
  /** What a NIC's deleted netdev last looked like; undefined when it hung on a hub. */
  readonly #ghosts = new Map<Endpoint, string | undefined>();

  constructor(options: NetworkOptions) {
    this.host = options.host;
    const trace = options.trace ?? noTrace;
    this.switch = options.switch ? new Switch(options.host, trace) : undefined;
    this.#context = {
      host: options.host,
      trace,
      depth: 0,
      budget: new QueueBudget(),
      turns: new Turns(options.host),
      charge: (ingress, ms) => this.#bySerial.get(ingress)?.charged(ms),
      nameOf: (ingress) => this.#bySerial.get(ingress)?.name,
      claimed: (endpoint, mac) => {
        const port = endpoint.peer?.relay;
        if (port instanceof SwitchPort) this.switch?.claim(port, mac);
      },
      owned: (endpoint, address) => {
        const port = endpoint.peer?.relay;
        if (port instanceof SwitchPort) this.switch?.own(port, address);
      },
    };
    this.#announcer = new Announcer(options.host, trace, () => this.#clients);
  }

  /**
   * A new net client at the end of the list. It takes part once attach() was called.
   * @param name its id; undefined = `<model>.<n>`, n counting the clients of that model.
   * @param driver what `info network` prints as its type: NetClientDriver's word.
   */
  open(name: string | undefined, driver: string, options: EndpointOptions): Endpoint {
    const endpoint = new Endpoint(
      this.#context,
      ++this.#serial,
      name ?? this.#modelName(options.model),
      driver,
      options,
    );
    this.#clients.push(endpoint);
    this.#bySerial.set(endpoint.serial, endpoint);
    this.#context.trace('client-open', endpoint.name, driver);
    return endpoint;
  }

  /** All net clients, in creation order. Ports of the switch are not among them. */
  clients(): readonly Endpoint[] {
    return this.#clients;
  }

  /** All clients of that name, NICs and every queue included, in creation order. */
  find(name: string): Endpoint[] {
    return this.#clients.filter((client) => client.name === name);
  }

  /** The first client of that name that is no NIC. */
  findNetdev(name: string): Endpoint | undefined {
    return this.#clients.find((client) => client.name === name && !client.isNic);
  }

  /**
   * Wires two clients. Whoever of them was on the switch leaves it.
   * @throws QapiError when one is wired already, or a loop of hubs would come to be.
   */
  wire(a: Endpoint, b: Endpoint): void {
    for (const end of [a, b]) {
      if (a === b || end.wired !== undefined) throw new QapiError(`netdev '${end.name}' is already in use`);
    }
    refuseLoop(b, hubOf(a));
    this.#leaveSwitch(a);
    this.#leaveSwitch(b);
    this.#ghosts.delete(a);
    this.#ghosts.delete(b);
    a.join(b);
  }

  /** Ends the wire of a client; both ends go back to the switch if they belong there. */
  unwire(endpoint: Endpoint): void {
    const peer = endpoint.wired;
    if (peer === undefined) return;
    endpoint.cut();
    this.#settle(endpoint);
    this.#settle(peer);
  }

  /**
   * Takes a client off the list and cuts its wire; frames on the way are dropped and counted. Its NIC's link goes down.
   * Closing the client is the caller's.
   */
  remove(endpoint: Endpoint): void {
    if (endpoint.isRemoved) return;
    const peer = endpoint.wired;
    this.#automatic.delete(endpoint);
    this.#ghosts.delete(endpoint);
    this.#leaveSwitch(endpoint);
    const { relay } = endpoint;
    if (relay instanceof HubPort) relay.hub.leave(relay);
    if (peer?.isNic === true) this.#ghosts.set(peer, relay instanceof HubPort ? undefined : clientLine(endpoint));
    endpoint.retire();
    this.#clients = this.#clients.filter((client) => client !== endpoint);
    this.#bySerial.delete(endpoint.serial);
    for (const { client } of this.#clients) client?.ingressGone?.(endpoint.serial);
    if (peer === undefined) return;
    if (peer.isNic) peer.orphan();
    this.#settle(peer);
  }

  /**
   * The administrator's word, as QEMU's set_link gives it: to every client of that name, and to their peers when the
   * first of these is a NIC. Carrier is kept apart.
   * @returns false when there is no client of that name.
   */
  setLink(name: string, up: boolean): boolean {
    const found = this.find(name);
    const first = found[0];
    if (first === undefined) return false;
    const alsoPeers = first.peer?.isNic === true;
    for (const client of found) {
      client.setAdminUp(up);
      if (alsoPeers) client.peer?.setAdminUp(up);
    }
    return true;
  }

  /** Newest first. */
  hubs(): readonly Hub[] {
    return this.#hubs.all();
  }

  /** The hub that a client is a port of. */
  hubOf(endpoint: Endpoint): Hub | undefined {
    return hubOf(endpoint);
  }

  /** Name for a hub port that was given none: `hub<id>port<n>`. */
  hubPortName(hubId: number): string {
    return this.#hubs.portName(hubId);
  }

  /**
   * Makes a client a port of a hub, which is created on first use, and wires it to `netdev`.
   * @returns the client to attach.
   * @throws QapiError with nothing changed.
   */
  joinHub(endpoint: Endpoint, hubId: number, netdev?: string): NetClient {
    const target = netdev === undefined ? undefined : this.findNetdev(netdev);
    if (netdev !== undefined) {
      if (target === undefined || target === endpoint) throw new QapiError(`netdev '${netdev}' not found`);
      if (target.wired !== undefined) throw new QapiError(`netdev '${netdev}' is already in use`);
      refuseLoop(target, this.#hubs.find(hubId));
    }
    const port = this.#hubs.ensure(hubId).join(endpoint);
    if (target !== undefined) this.wire(endpoint, target);
    return port;
  }

  /**
   * From now on this client is a port of the switch whenever nothing else is wired to it. Does nothing when the network
   * has no switch, and for hub ports, which wait for a NIC.
   */
  autoSwitch(endpoint: Endpoint): void {
    if (this.switch === undefined || endpoint.relay instanceof HubPort || endpoint.driver === 'hubport') return;
    this.#automatic.add(endpoint);
    this.#settle(endpoint);
  }

  /** announce-self: the first announcement is sent before this returns. */
  announce(parameters: AnnounceParameters): void {
    this.#announcer.announce(parameters);
  }

  /** `info network`, lines ended by \n. */
  infoText(): string {
    return infoText({
      clients: this.#clients,
      hubs: this.#hubs.all(),
      ghosts: this.#ghosts,
    });
  }

  /** The first address of QEMU's range for NICs that none has. */
  freeMac(): number {
    const used = new Set(this.#clients.map((client) => client.mac));
    for (let mac = FIRST_AUTO_MAC; mac < FIRST_AUTO_MAC + AUTO_MACS; mac++) if (!used.has(mac)) return mac;
    throw new QapiError('no Ethernet address is left for a further NIC');
  }

  /** Removes every client and stops announcing. Closing the clients is the caller's. */
  close(): void {
    this.#announcer.close();
    for (const client of [...this.#clients].reverse()) this.remove(client);
  }

  #modelName(model: string | undefined): string {
    const name = model ?? 'client';
    return `${name}.${this.#clients.filter((client) => client.model === name).length}`;
  }

  #settle(endpoint: Endpoint): void {
    if (this.switch === undefined || !this.#automatic.has(endpoint)) return;
    if (endpoint.isRemoved || endpoint.peer !== undefined) return;
    const port = new Endpoint(this.#context, ++this.#serial, endpoint.name, SWITCH_PORT, { isNetdev: false });
    port.attach(this.switch.join(port, endpoint));
    port.join(endpoint);
  }

  #leaveSwitch(endpoint: Endpoint): void {
    const port = endpoint.peer;
    if (port?.relay instanceof SwitchPort) {
      this.switch?.leave(port.relay);
      port.retire();
    }
  }
}
