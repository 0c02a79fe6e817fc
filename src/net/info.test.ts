import { describe, expect, it } from 'vitest';
import { createTestHost } from '../../tests/kit/host.ts';
import { openProbe, type Probe } from '../../tests/kit/probe.ts';
import { Network } from './network.ts';

function setup() {
  const test = createTestHost();
  const network = new Network({ host: test.host, switch: true });
  const add = (name: string, driver: string, info: string): Probe => {
    const probe = openProbe(network, name, driver);
    probe.info = () => info;
    return probe;
  };
  const hubport = (name: string, hubId: number, netdev?: string) => {
    const endpoint = network.open(name, 'hubport', { isNetdev: true });
    endpoint.attach(network.joinHub(endpoint, hubId, netdev));
    return endpoint;
  };
  return { network, add, hubport };
}

const NIC = 'model=e1000,macaddr=52:54:00:12:34:56';

describe('info network', () => {
  it('is empty without clients', () => {
    expect(setup().network.infoText()).toBe('');
  });

  it('shows hubs first, newest first, then clients alone and NICs with their peers', () => {
    const { network, add, hubport } = setup();
    const hubNic = add('e1000.0', 'nic', NIC);
    add('#net171', 'user', 'net=10.0.2.0,restrict=off');
    network.wire(hubport('hub0port0', 0), hubNic.endpoint);
    hubport('hub0port1', 0, '#net171');
    add('lonely', 'socket', '');
    const nic = add('nic0', 'nic', 'model=virtio-net-pci,macaddr=52:54:00:12:34:56');
    network.wire(nic.endpoint, add('t0', 'tap', 'ifname=tz0,script=no,downscript=no').endpoint);
    network.autoSwitch(add('s', 'stream', 'unix:/p').endpoint);
    hubport('h9', 9);
    expect(network.infoText()).toBe(
      [
        'hub 9',
        ' \\ h9',
        'hub 0',
        ' \\ hub0port1: #net171: index=0,type=user,net=10.0.2.0,restrict=off',
        ` \\ hub0port0: e1000.0: index=0,type=nic,${NIC}`,
        'lonely: index=0,type=socket,',
        'nic0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56',
        ' \\ t0: index=0,type=tap,ifname=tz0,script=no,downscript=no',
        's: index=0,type=stream,unix:/p',
        '',
      ].join('\n'),
    );
  });

  it('cuts descriptions after 255 characters', () => {
    const { network, add } = setup();
    add('x', 'stream', 'y'.repeat(300));
    expect(network.infoText()).toBe(`x: index=0,type=stream,${'y'.repeat(255)}\n`);
  });

  it('still shows a deleted netdev under its NIC, and no NIC whose hub port was deleted', () => {
    const { network, add, hubport } = setup();
    const nic = add('nic0', 'nic', NIC);
    const netdev = add('n0', 'stream', 'tcp:127.0.0.1:1');
    network.wire(nic.endpoint, netdev.endpoint);
    network.remove(netdev.endpoint);
    expect(network.infoText()).toBe(`nic0: index=0,type=nic,${NIC}\n \\ n0: index=0,type=stream,tcp:127.0.0.1:1\n`);
    expect([network.find('n0'), network.setLink('n0', true)]).toEqual([[], false]);
    network.remove(nic.endpoint);
    const other = add('nic1', 'nic', NIC);
    const port = hubport('h0', 0);
    network.wire(port, other.endpoint);
    network.remove(port);
    expect(network.infoText()).toBe('hub 0\n');
  });
});
