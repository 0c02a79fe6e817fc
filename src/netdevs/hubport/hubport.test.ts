import { expect, it } from 'vitest';
import { createTestHost } from '../../../tests/kit/host.ts';
import { frameBytes, openProbe, plainFrame } from '../../../tests/kit/probe.ts';
import { type Endpoint, Network, ProtectedAddresses } from '../../net/index.ts';
import type { NetdevHubPortOptions } from '../../schema/net.ts';
import { createHubport } from './index.ts';

function setup() {
  const test = createTestHost();
  const network = new Network({ host: test.host, switch: false });
  const add = async (id: string, options: NetdevHubPortOptions): Promise<Endpoint> => {
    const endpoint = network.open(id, 'hubport', { isNetdev: true });
    const client = await createHubport(options, {
      id,
      port: endpoint,
      host: test.host,
      log: test.host.log,
      trace: () => {},
      signal: new AbortController().signal,
      emit: () => {},
      protectedAddresses: new ProtectedAddresses(),
      openChild: () => expect.unreachable('no children'),
      takeDescriptor: () => {
        throw new RangeError('no descriptors in this test');
      },
      joinHub: (hubId, netdev) => network.joinHub(endpoint, hubId, netdev),
    });
    endpoint.attach(client);
    return endpoint;
  };
  return { test, network, add };
}

it('joins the hub of its number, negative ones too, with the netdev it names', async () => {
  const { test, network, add } = setup();
  const [a, b] = [openProbe(network, 'a'), openProbe(network, 'b')];
  const port = await add('h0', { hubid: -1, netdev: 'a' });
  await add('h1', { hubid: -1, netdev: 'b' });
  expect(network.hubs().map((hub) => hub.id)).toEqual([-1]);
  expect(port.info()).toBe('');
  a.endpoint.send(plainFrame(frameBytes(2, 1, 5)));
  test.runUntilIdle();
  expect(b.frames).toEqual([frameBytes(2, 1, 5)]);
});

it('a netdev that is not there, or taken, is an error of netdev_add', async () => {
  const { network, add } = setup();
  openProbe(network, 'a');
  await add('h0', { hubid: 0, netdev: 'a' });
  await expect(add('h1', { hubid: 0, netdev: 'x' })).rejects.toThrow("netdev 'x' not found");
  await expect(add('h2', { hubid: 0, netdev: '' })).rejects.toThrow("netdev '' not found");
  await expect(add('h3', { hubid: 0, netdev: 'a' })).rejects.toThrow("netdev 'a' is already in use");
});
