import { describe, expect, it } from 'vitest';
import { createTestHost } from '../../tests/kit/host.ts';
import { type Segment, TcpLink } from '../../tests/kit/tcp-link.ts';
import { OPEN, runScript } from '../../tests/kit/tcp-script.ts';
import { ipv4Address } from './address.ts';
import { TcpStack } from './tcp-stack.ts';

const EIGHT_HOURS = 8 * 3_600_000;

describe.each([
  ['the program was stopped', `jump ${EIGHT_HOURS}`],
  ['the machine was suspended', `suspend ${EIGHT_HOURS}\n + 10000`],
])('after eight hours in which %s', (_, sleep) => {
  it('a connection whose sides both live goes on', async () => {
    const statistics = await runScript(`${OPEN}
      + 1000
      ${sleep}
      + 5000
      < . 0 ack 1
      > . 1 ack 1
      + 100000
      = ESTABLISHED
      host write 10
      < P. 1:11(10) ack 1
      > P. 1:11(10) ack 11
      < . 11 ack 11
      host read 10`);
    expect(statistics).toMatchObject({ 'tcp.wakes': 1, 'tcp.timedOut': 0 });
  });

  it('one whose guest is gone ends within a minute', () =>
    runScript(`${OPEN}
      ${sleep}
      + 5000
      ${'< . 0 ack 1\n + 10000\n'.repeat(5)}
      < R. 1 ack 1
      = gone
      host error ECONNRESET`));

  it('one that the guest has forgotten ends at once', () =>
    runScript(`${OPEN}
      ${sleep}
      + 5000
      < . 0 ack 1
      > R 1
      = gone
      host error ECONNRESET`));

  it('one whose server is gone ends within a minute', () =>
    runScript(`${OPEN}
      host vanish
      ${sleep}
      + 5000
      < . 0 ack 1
      > . 1 ack 1
      + 49000
      = ESTABLISHED
      + 1000
      < R. 1 ack 1
      = gone
      host close`));
});

it('bytes that were on their way are sent again after a sleep', () =>
  runScript(`${OPEN}
    host write 10
    < P. 1:11(10) ack 1
    jump ${EIGHT_HOURS}
    < P. 1:11(10) ack 1
    > . 1 ack 11
    + 100000
    = ESTABLISHED`));

it('what is asked after a sleep is spread over seconds', async () => {
  const test = createTestHost();
  const link = new TcpLink(test.host, test.loop);
  const stack = new TcpStack(link);
  link.stack = stack;
  const remote = ipv4Address(0x0a000202);
  const listener = await test.network.local.sockets.listen({ family: 'ipv4', host: '127.0.0.1', port: 80 });
  listener.onConnection = () => {};
  const segments: Segment[] = [];
  link.onSegment = (segment) => segments.push(segment);
  for (let guestPort = 2000; guestPort < 2500; guestPort++) {
    link.inject({ remote, guestPort, remotePort: 80, seq: 0, flags: 2 });
    test.runUntilIdle();
    const ack = ((segments.at(-1)?.seq ?? 0) + 1) >>> 0;
    link.inject({ remote, guestPort, remotePort: 80, seq: 1, ack, flags: 16 });
  }
  test.runUntilIdle();
  segments.length = 0;
  test.loop.jump(test.loop.now() + EIGHT_HOURS);
  test.runUntilIdle();
  expect(segments).toHaveLength(0);
  let most = 0;
  for (let i = 0; i < 50; i++) {
    const before = segments.length;
    test.advance(100);
    most = Math.max(most, segments.length - before);
  }
  expect(segments).toHaveLength(500);
  expect(most).toBeLessThan(20);
  await stack.close();
  await listener.close();
});
