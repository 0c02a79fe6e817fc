/** `info usernet`: fixed columns as QEMU prints them. */
import type { Flow, Forward } from '../../net/index.ts';
import { usernets } from '../commands/usernet.ts';
import type { Yard } from '../yard.ts';

const HEADER = '  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ';

export function usernetText(yard: Yard): string {
  return usernets(yard)
    .flatMap(({ id, control }) => [
      `Hub ${hubOf(yard, id)} (${id}):`,
      HEADER,
      ...control.forwards().filter(isTcp).map(forwardRow),
      ...control.flows().filter(isTcp).map(flowRow),
      ...control.forwards().filter(isUdp).map(forwardRow),
      ...control.flows().filter(isUdp).map(flowRow),
      ...control
        .flows()
        .filter((flow) => flow.protocol === 'icmp')
        .map(flowRow),
    ])
    .join('\n');
}

function hubOf(yard: Yard, id: string): number {
  const endpoint = yard.network.findNetdev(id);
  const peer = endpoint?.wired;
  return (peer === undefined ? undefined : yard.network.hubOf(peer)?.id) ?? -1;
}

const isTcp = (row: { protocol: string }): boolean => row.protocol === 'tcp';
const isUdp = (row: { protocol: string }): boolean => row.protocol === 'udp';

function forwardRow(forward: Forward): string {
  const protocol = forward.protocol.toUpperCase();
  return row(
    `  ${protocol}[HOST_FORWARD]`,
    forward.hostAddress,
    `${forward.hostPort}`,
    forward.guestAddress,
    `${forward.guestPort}`,
    0,
    0,
  );
}

function flowRow(flow: Flow): string {
  // RFC 9293 writes SYN-SENT, BSD and QEMU SYN_SENT.
  const label = `  ${flow.protocol.toUpperCase()}[${flow.state.replaceAll('-', '_')}]`;
  const icmp = flow.protocol === 'icmp';
  return row(
    label,
    flow.sourceAddress,
    icmp ? '-' : `${flow.sourcePort}`,
    flow.destinationAddress,
    icmp ? '-' : `${flow.destinationPort}`,
    flow.receiveQueue,
    flow.sendQueue,
  );
}

/** The descriptor column holds -1: a flow's socket has no number here. */
function row(
  label: string,
  from: string,
  fromPort: string,
  to: string,
  toPort: string,
  receive: number,
  send: number,
): string {
  const source = from === '0.0.0.0' ? '*' : from;
  return [
    label.padEnd(19),
    '-1'.padStart(3),
    source.padStart(15),
    fromPort.padStart(5),
    to.padStart(15),
    toPort.padStart(5),
    `${receive}`.padStart(5),
    `${send}`.padStart(5),
  ].join(' ');
}
