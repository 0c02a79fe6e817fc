import { describe, expect, it } from 'vitest';
import { OPEN, PLAIN, runScript } from '../../tests/kit/tcp-script.ts';

describe('bytes to the guest', () => {
  it('go out at once, as one GSO frame, within the window', () =>
    runScript(`
      > S 0 win 65535 <mss 1000,sackOK,wscale 0>
      < S. 0 ack 1
      > . 1 ack 1 win 3000
      host write 5000
      < . 1:1001(1000) ack 1
      < . 1001:2001(1000) ack 1
      < P. 2001:3001(1000) ack 1
      > . 1 ack 3001 win 3000
      < . 3001:4001(1000) ack 1
      < P. 4001:5001(1000) ack 1
      > . 1 ack 5001 win 3000
    `));
  it('respect the MTU whatever MSS the guest names; the guest may send as long ones as it says', () =>
    runScript(
      `
      > S 0 <mss 9000>
      < S. 0 ack 1 <mss 9000>
      > . 1 ack 1
      host write 1400
      < . 1:1361(1360) ack 1
      < P. 1361:1401(40) ack 1
      > . 1 ack 1401
    `,
      { mtu: 1400 },
    ));
  it('come in segments of 536 to a guest without MSS, of 88 to one that asks for less', async () => {
    await runScript(`
      > S 0
      < S. 0 ack 1
      > . 1 ack 1
      host write 600
      < . 1:537(536) ack 1
      < P. 537:601(64) ack 1
      > . 1 ack 601`);
    await runScript(`
      > S 0 <mss 8>
      < S. 0 ack 1
      > . 1 ack 1
      host write 100
      < . 1:89(88) ack 1
      < P. 89:101(12) ack 1
      > . 1 ack 101`);
  });
  it('are sent again with a doubled timeout, and the connection is given up after 15 tries', async () => {
    const timeouts = [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200];
    const again = [...timeouts, ...new Array(6).fill(60_000)].map((ms) => `+ ${ms}\n < P. 1:11(10) ack 1`).join('\n');
    const statistics = await runScript(`${PLAIN}
      host write 10
      < P. 1:11(10) ack 1
      ${again}
      + 60000
      < R. 11 ack 1
      host error ECONNRESET
      = gone`);
    expect(statistics['tcp.retransmitted']).toBe(15);
    expect(statistics['tcp.timedOut']).toBe(1);
  });
  it('lost at the end are probed for after two round trips', async () => {
    const statistics = await runScript(`${OPEN}
      host write 3000
      < . 1:1461(1460) ack 1
      < . 1461:2921(1460) ack 1
      < P. 2921:3001(80) ack 1
      > . 1 ack 2921
      + 100
      < P. 2921:3001(80) ack 1
      > . 1 ack 3001
      host write 10
      < P. 3001:3011(10) ack 1
      > . 1 ack 3011`);
    expect(statistics['tcp.tailProbes']).toBe(1);
  });
  it('lost in the middle are sent again after the third duplicate ACK', async () => {
    const statistics = await runScript(`${PLAIN}
      host write 6000
      < . 1:1001(1000) ack 1
      < . 1001:2001(1000) ack 1
      < . 2001:3001(1000) ack 1
      < . 3001:4001(1000) ack 1
      < . 4001:5001(1000) ack 1
      < P. 5001:6001(1000) ack 1
      > . 1 ack 1001
      > . 1 ack 1001
      > . 1 ack 1001
      > . 1 ack 1001
      < . 1001:2001(1000) ack 1
      > . 1 ack 1001
      > . 1 ack 3001
      < . 3001:4001(1000) ack 1
      > . 1 ack 6001`);
    expect(statistics['tcp.fastRetransmits']).toBe(1);
    expect(statistics['tcp.retransmitTimeouts']).toBe(0);
  });
  it('lost in the middle are sent again where SACK shows the holes, and only there', async () => {
    const statistics = await runScript(`
      > S 0 win 65535 <mss 1000,sackOK>
      < S. 0 ack 1
      > . 1 ack 1
      host write 8000
      < . 1:1001(1000) ack 1
      < . 1001:2001(1000) ack 1
      < . 2001:3001(1000) ack 1
      < . 3001:4001(1000) ack 1
      < . 4001:5001(1000) ack 1
      < . 5001:6001(1000) ack 1
      < . 6001:7001(1000) ack 1
      < P. 7001:8001(1000) ack 1
      > . 1 ack 1 <sack 1001:2001>
      > . 1 ack 1 <sack 1001:2001 3001:4001>
      < . 1:1001(1000) ack 1
      < . 2001:3001(1000) ack 1
      > . 1 ack 1 <sack 3001:6001 1001:2001>
      > . 1 ack 2001 <sack 3001:6001>
      > . 1 ack 6001
      > . 1 ack 8001`);
    expect(statistics['tcp.fastRetransmits']).toBe(1);
    expect(statistics['tcp.retransmitted']).toBe(2);
  });
  it('lost while others were being repaired are sent again as well, without a timeout', async () => {
    const statistics = await runScript(`
      > S 0 win 65535 <mss 1000,sackOK>
      < S. 0 ack 1
      > . 1 ack 1
      host write 8000
      ${[1, 1001, 2001, 3001, 4001, 5001, 6001].map((seq) => `< . ${seq}:${seq + 1000}(1000) ack 1`).join('\n')}
      < P. 7001:8001(1000) ack 1
      > . 1 ack 1 <sack 3001:4001>
      < . 1:1001(1000) ack 1
      < . 1001:2001(1000) ack 1
      < . 2001:3001(1000) ack 1
      > . 1 ack 1 <sack 6001:7001 3001:4001>
      < . 4001:5001(1000) ack 1
      < . 5001:6001(1000) ack 1
      > . 1 ack 8001`);
    expect(statistics['tcp.retransmitTimeouts']).toBe(0);
  });
  it('lost a second time are sent a third time when later ones are reported', async () => {
    const statistics = await runScript(`
      > S 0 win 65535 <mss 1000,sackOK>
      < S. 0 ack 1
      > . 1 ack 1
      host write 5000
      ${[1, 1001, 2001, 3001].map((seq) => `< . ${seq}:${seq + 1000}(1000) ack 1`).join('\n')}
      < P. 4001:5001(1000) ack 1
      > . 1 ack 1 <sack 1001:5001>
      < . 1:1001(1000) ack 1
      host write 4000
      ${[5001, 6001, 7001].map((seq) => `< . ${seq}:${seq + 1000}(1000) ack 1`).join('\n')}
      < P. 8001:9001(1000) ack 1
      > . 1 ack 1 <sack 1001:9001>
      < . 1:1001(1000) ack 1
      > . 1 ack 9001`);
    expect(statistics['tcp.retransmitTimeouts']).toBe(0);
  });
  it('sent twice measure no round trip (Karn)', () =>
    runScript(`${PLAIN}
      host write 10
      < P. 1:11(10) ack 1
      + 200
      < P. 1:11(10) ack 1
      + 150
      > . 1 ack 11
      host write 10
      < P. 11:21(10) ack 1
      + 200
      < P. 11:21(10) ack 1
      > . 1 ack 21`));
  it('heed the window of the latest segment, not of the last to arrive', () =>
    runScript(`${PLAIN}
      > . 11:21(10) ack 1 win 500
      < . 1 ack 1
      > . 1:11(10) ack 1 win 0
      < . 1 ack 21
      host write 10
      < P. 1:11(10) ack 21
      > . 21 ack 11`));
  it('at their end leave no memory behind', async () => {
    const statistics = await runScript(`${PLAIN}
      host shutdown
      < F. 1 ack 1
      > . 1 ack 2
      = FIN-WAIT-2`);
    expect(statistics['tcp.poolBytes']).toBe(0);
  });
  it('are not sent again for SACKs of what was never sent, or lies below', async () => {
    const statistics = await runScript(`${OPEN}
      host write 100
      < P. 1:101(100) ack 1
      > . 1 ack 1 <sack 500:900>
      > . 1 ack 1 <sack -500:50>
      > . 1 ack 1 <sack 90:20>
      > . 1 ack 101`);
    expect(statistics['tcp.retransmitted']).toBe(0);
  });
  it('wait while the window is shut, which is probed and answered for ever', async () => {
    const statistics = await runScript(`${PLAIN}
      > . 1 ack 1 win 0
      host write 10
      + 200
      < . 0 ack 1
      > . 1 ack 1 win 0
      + 400
      < . 0 ack 1
      > . 1 ack 1 win 0
      + 800
      < . 0 ack 1
      > . 1 ack 1 win 4
      < P. 1:5(4) ack 1
      > . 1 ack 5 win 0
      + 200
      < . 4 ack 1
      > . 1 ack 5 win 100
      < P. 5:11(6) ack 1
      > . 1 ack 11 win 100`);
    expect(statistics['tcp.windowProbes']).toBe(4);
  });
  it('wait while the window is shut, until a guest does not answer', () =>
    runScript(`${PLAIN}
      > . 1 ack 1 win 0
      host write 10
      ${[1, 2, 4, 8, 16, 32, 64, 128, 256].map((s) => `+ ${s * 200}\n < . 0 ack 1`).join('\n')}
      ${'+ 60000\n < . 0 ack 1\n'.repeat(6)}
      + 60000
      < R. 1 ack 1
      host error ECONNRESET
      = gone`));
  it('wait while the way to the guest is not clear, whatever time that takes', async () => {
    const statistics = await runScript(`${PLAIN}
      busy
      host write 10
      + 600000
      = ESTABLISHED
      clear
      < P. 1:11(10) ack 1
      > . 1 ack 11`);
    expect(statistics['tcp.retransmitTimeouts']).toBe(0);
    expect(statistics['tcp.parkedNow']).toBe(0);
  });
  it('in flight when the way shuts are not given up', () =>
    runScript(`${PLAIN}
      host write 10
      < P. 1:11(10) ack 1
      busy
      + 3000000
      = ESTABLISHED
      clear
      + 300
      < P. 1:11(10) ack 1
      > . 1 ack 11`));
});

describe('a forward', () => {
  const DIAL = `
    host connect
    < S 0 win 65535 <mss 65495,sackOK,wscale 7>
    = SYN-SENT
  `;
  it('dials the guest with the client as its source', () =>
    runScript(`${DIAL}
      > S. 0 ack 1 <mss 1460,sackOK,wscale 7>
      < . 1 ack 1 win 512
      = ESTABLISHED
      > P. 1:6(5) ack 1
      < . 1 ack 6
      host read 5
      host write 5
      < P. 1:6(5) ack 6
      > . 6 ack 6`));
  it('sends what the client wrote before the guest answered', () =>
    runScript(`${DIAL}
      host write 5
      > S. 0 ack 1
      < . 1 ack 1
      < P. 1:6(5) ack 1
      > . 1 ack 6`));
  it('resets the client of a guest that refuses', () =>
    runScript(`${DIAL}
      > R. 0 ack 1
      host error ECONNRESET
      = gone`));
  it('ignores a reset that acknowledges something else', () =>
    runScript(`${DIAL}
      > R. 0 ack 9
      > R 0
      > . 0 ack 9
      < R 9
      = SYN-SENT`));
  it('repeats its SYN, and resets the client of a guest that is not there', () =>
    runScript(`${DIAL}
      ${[1, 2, 4, 8, 16, 32].map((s) => `+ ${s}000\n < S 0`).join('\n')}
      + 12000
      < R 1
      host error ECONNRESET
      = gone`));
  it('opens at both ends at once', () =>
    runScript(`${DIAL}
      > S 0 <mss 1460>
      < S. 0 ack 1
      = SYN-RECEIVED
      > . 1 ack 1
      = ESTABLISHED`));
  it('gives a client that sent its request and its end the answer', () =>
    runScript(`${DIAL}
      host write 5
      host shutdown
      + 900
      = SYN-SENT
      > S. 0 ack 1
      < . 1 ack 1
      < P. 1:6(5) ack 1
      < F. 6 ack 1
      > . 1 ack 7
      > P. 1:6(5) ack 7
      < . 7 ack 6
      host read 5
      > F. 6 ack 7
      < . 7 ack 7
      = TIME-WAIT`));
  it('passes a client that is gone before the guest answers on', () =>
    runScript(`${DIAL}
      host reset
      < R 1
      = gone`));
});
