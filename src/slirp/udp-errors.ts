/**
 * What the host side says about datagrams of the guests: the ICMP errors that its kernel has queued, each for the flow
 * that it is about, and sends that it refuses at once. Both become ICMP errors to the guest. A host that queues no ICMP
 * errors tells none: of sockets that are not connected the kernel reports them in no other way.
 */
import { type DatagramSocket, isInet } from '../net/host.ts';
import { isForGuest, MAX_RECORDS, newRecord } from './icmp-record.ts';
import type { UdpFlow, UdpHostSocket } from './udp-flow.ts';
import type { UdpLayer } from './udp-layer.ts';

/** An error so soon after a send is that send's own. */
const SEND_FAILURE_MS = 20;

export class UdpErrors {
  readonly #layer: UdpLayer;
  readonly #record = newRecord();

  constructor(layer: UdpLayer) {
    this.#layer = layer;
  }

  /** The socket announced an error. */
  failed(owner: UdpHostSocket, socket: DatagramSocket): void {
    const relayed = this.#relayQueued(owner, socket);
    const error = socket.takeError();
    // Of a queued error the socket tells the code once more.
    if (relayed || error === undefined) return;
    const { refusedPeer } = socket;
    const flow = refusedPeer === undefined || !isInet(refusedPeer) ? owner.last : owner.flowOf(refusedPeer);
    // The address that the client wrote to may be gone: the next answer leaves from one that is there.
    if (flow !== undefined) flow.local = undefined;
    this.#layer.drop(`udp-error-${error.code}`);
    if (flow === undefined || flow.quote.length === 0 || error.code === 'EMSGSIZE') return;
    // Only a send that failed at once is told by its code alone.
    if (error.code === 'ECONNREFUSED' || this.#layer.host.clock.now() - flow.sentAt > SEND_FAILURE_MS) return;
    this.#layer.sendUnreachableAbout(flow.quote, 'network');
  }

  #relayQueued(owner: UdpHostSocket, socket: DatagramSocket): boolean {
    if (socket.nextError === undefined) return false;
    const record = this.#record;
    let seen = false;
    for (let i = 0; i < MAX_RECORDS && owner.socket === socket && socket.nextError(record); i++) {
      seen = true;
      const { destination, offender } = record;
      const flow = destination === undefined ? undefined : owner.flowOf(destination);
      if (flow === undefined || flow.quote.length === 0 || flow.peer.family !== 'ipv4' || !isForGuest(record)) {
        this.#layer.drop('udp-icmp-ignored');
        continue;
      }
      const from = offender === undefined ? undefined : this.#seenAs(flow, offender.host);
      this.#layer.relayError(flow.quote, record.type, record.code, record.mtu, from);
    }
    return seen;
  }

  /** The destination itself is known to the guest under the address it wrote to. */
  #seenAs(flow: UdpFlow, offender: string): UdpFlow['remote'] {
    if (flow.peer.host === offender) return flow.remote;
    return this.#layer.guestView({ family: 'ipv4', host: offender, port: 0 });
  }
}
