import { expect, it } from 'vitest';
import { createTestHost } from '../../tests/kit/host.ts';
import { RecordingPort } from '../../tests/kit/netdev-context.ts';
import { Frame } from '../net/frame.ts';
import { STRANGERS } from '../net/index.ts';
import { ipv4Address } from './address.ts';
import { BroadcastBudget } from './broadcast-budget.ts';
import { BusyGuests } from './busy-guests.ts';
import { IPV4_HEADROOM, Ipv4Output } from './ipv4-output.ts';
import { Ipv4Path } from './ipv4-path.ts';
import { NeighbourTable } from './neighbours.ts';

const GUEST = ipv4Address(0x0a00020f);
const MAC = 0x525400123456;

it('the port that the guest came in by counts for the first entry only: later it may be gone', () => {
  const { clock, host } = createTestHost();
  const drop = () => {};
  const config = { network: 0x0a000200, mask: 0xffffff00, host: 0x0a000202, dns: 0x0a000203, dhcpStart: 0x0a00020f };
  const budget = new BroadcastBudget(clock, drop);
  const output = new Ipv4Output(
    { ...config, restrict: false },
    new RecordingPort('u0'),
    clock,
    new BusyGuests(),
    budget,
  );
  const owners = { ownerOf: () => undefined, learnt: () => {} };
  const table = new NeighbourTable(clock, host.timers, 1, owners, {
    ask: () => true,
    askAt: () => true,
    claimed: () => {},
    send: () => {},
    drop,
  });
  output.attach(table);
  table.confirm(GUEST, MAC, 7);
  const path = new Ipv4Path(output, GUEST, ipv4Address(0x0a000202));
  const send = () => path.send(new Frame().setPlain(new Uint8Array(IPV4_HEADROOM + 8), 0, IPV4_HEADROOM + 8));
  send();
  expect(table.find(GUEST)?.ingress).toBe(7);
  table.ingressGone(7);
  // As if others had driven it out.
  table.close();
  send();
  expect(table.find(GUEST)?.ingress).toBe(STRANGERS);
  table.close();
});
