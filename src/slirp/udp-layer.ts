/** What the stack adds to IpLayer for UDP, and the check that every UDP packet passes first. */
import { udpCheck } from '../wire/index.ts';
import { addressSum } from './address.ts';
import type { IpAddress, IpLayer, IpPacket } from './ip-layer.ts';

export interface UdpLayer extends IpLayer {
  /** As the guest must see the sender of what it sent to `destination`: broadcasts are answered by the host alias. */
  replySource(destination: IpAddress): IpAddress;
}

/** Checks a UDP header and checksum in a packet; counts what is wrong. */
export function udpCheckPacket(layer: IpLayer, packet: IpPacket): boolean {
  const { bytes, transportOffset: at } = packet;
  const pseudo = addressSum(packet.source) + addressSum(packet.destination);
  const drop = udpCheck(bytes, at, at + packet.transportLength, pseudo, packet.checksumTrusted);
  if (drop === undefined) return true;
  layer.drop(drop);
  return false;
}
