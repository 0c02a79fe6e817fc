/** The suite every netdev runs, over the core's own ways: wire, hub, switch, in-process guest. */
import { createGuestPort } from '../../src/net/guest-port.ts';
import { Network } from '../../src/net/network.ts';
import { netdevCompliance } from '../kit/compliance/netdev.ts';
import { createTestHost } from '../kit/host.ts';
import { openProbe, type Probe, plainFrame } from '../kit/probe.ts';

function start(useSwitch = false) {
  const test = createTestHost();
  return { test, network: new Network({ host: test.host, switch: useSwitch }) };
}

/** A source that keeps to BUSY: what the way does not take now waits. */
function sender(probe: Probe): (bytes: Uint8Array) => void {
  const waiting: Uint8Array[] = [];
  let isBusy = false;
  const go = () => {
    while (!isBusy) {
      const bytes = waiting.shift();
      if (bytes === undefined) return;
      isBusy = probe.endpoint.send(plainFrame(bytes)) === 1;
    }
  };
  probe.endpoint.onReady = () => {
    isBusy = false;
    go();
  };
  return (bytes) => {
    waiting.push(bytes);
    go();
  };
}

const farSide = (probe: Probe) => ({
  received: probe.frames,
  sendFromFar: sender(probe),
  stall: () => {
    probe.blocked = true;
  },
  unstall: () => probe.release(),
});

netdevCompliance('plain wire', () => {
  const { test, network } = start();
  const far = openProbe(network, 'far');
  return { test, network, endpoint: far.endpoint, ...farSide(far), close: () => far.close() };
});

netdevCompliance('hub', () => {
  const { test, network } = start();
  const far = openProbe(network, 'far');
  const near = network.open('h0', 'hubport', { isNetdev: true });
  near.attach(network.joinHub(near, 0));
  const other = network.open('h1', 'hubport', { isNetdev: true });
  other.attach(network.joinHub(other, 0, 'far'));
  return {
    test,
    network,
    endpoint: near,
    ...farSide(far),
    vanish: () => network.remove(far.endpoint),
    close: () => far.close(),
  };
});

netdevCompliance('switch', () => {
  const { test, network } = start(true);
  const far = openProbe(network, 'far');
  network.autoSwitch(far.endpoint);
  return {
    test,
    network,
    endpoint: far.endpoint,
    ...farSide(far),
    connect: (nic) => network.autoSwitch(nic),
    close: () => far.close(),
  };
});

netdevCompliance('guest port', () => {
  const { test, network } = start(true);
  const guest = createGuestPort(network, { id: 'vm0' });
  const received: Uint8Array[] = [];
  guest.onFrame = (bytes) => received.push(bytes.slice());
  const waiting: Uint8Array[] = [];
  let isBusy = false;
  const go = () => {
    while (!isBusy && waiting.length > 0) isBusy = guest.send(waiting.shift() as Uint8Array) === 1;
  };
  guest.onReady = () => {
    isBusy = false;
    go();
  };
  return {
    test,
    network,
    endpoint: network.find('vm0')[0] as NonNullable<ReturnType<Network['find']>[0]>,
    received,
    sendFromFar: (bytes) => {
      waiting.push(bytes);
      go();
    },
    connect: (nic) => network.autoSwitch(nic),
    stall: () => guest.pause(),
    unstall: () => guest.resume(),
    close: () => guest.close(),
  };
});
