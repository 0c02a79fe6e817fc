import { describe, expect, it } from 'vitest';
import type { TestHost } from '../../tests/kit/host.ts';
import { OPEN, PLAIN, runScript } from '../../tests/kit/tcp-script.ts';

describe('TCP handshake of a guest', () => {
  it('offers what the guest offered', () => runScript(OPEN));
  it('offers only an MSS to a guest that offers nothing', () => runScript(PLAIN));
  it('takes timestamps in a SYN but does not use them', () =>
    runScript(`
      > S 0 <mss 1460,sackOK,TS,wscale 7>
      < S. 0 ack 1 <mss 1460,sackOK,wscale 7>
    `));
  it('survives options that lead nowhere', () =>
    runScript(`
      > S 0 <raw 2 0 0 0>
      < S. 0 ack 1 <mss 1460>
      > . 1 ack 1 <raw 254 1 5 9>
      > P. 1:11(10) ack 1 <raw 8 255 0 0>
      < . 1 ack 11
    `));
  it('says nothing while the host connects, and ignores repeated SYNs', () =>
    runScript(
      `
      > S 0
      = SYN-SENT
      + 30
      > S 0
      > . 1 ack 1
      + 20
      < S. 0 ack 1
      = SYN-RECEIVED
      > S 0
      < S. 0 ack 1
      > . 1 ack 1
      = ESTABLISHED
    `,
      { remote: 0xcb007107, prepare: distantServer },
    ));
  it('follows a guest that starts over while the host connects', () =>
    runScript(
      `
      > S 0
      > S 5000
      + 50
      < S. 0 ack 5001
      > . 5001 ack 1
      = ESTABLISHED
    `,
      { remote: 0xcb007107, prepare: distantServer },
    ));
  it('forgets a guest that resets while the host connects', () =>
    runScript(
      `
      > S 0
      > R 1
      = gone
    `,
      { remote: 0xcb007107, prepare: distantServer },
    ));
  it('answers a refused connection with a reset', () =>
    runScript(
      `
      > S 0
      < R. 0 ack 1 win 65535
      = gone
    `,
      { refuse: true },
    ));
  for (const [code, reason] of [
    ['ENETUNREACH', 'network'],
    ['EACCES', 'network'],
    ['EPERM', 'network'],
    ['EHOSTUNREACH', 'host'],
    ['ETIMEDOUT', 'host'],
  ] as const) {
    it(`tells ${code} by ICMP`, () =>
      runScript(`> S 0\n + 3000\n icmp ${reason}\n = gone`, {
        prepare: (test) => test.network.fail({ on: 'connect', code, afterMs: 2500 }),
      }));
  }
  it('answers EMFILE with a reset', () =>
    runScript('> S 0\n < R. 0 ack 1\n = gone', {
      prepare: (test) => test.network.fail({ on: 'connect', code: 'EMFILE' }),
    }));
  it('gives up connecting after 75 s', () =>
    runScript('> S 0\n + 74000\n = SYN-SENT\n + 2000\n icmp host\n = gone', {
      prepare: (test) => test.network.fail({ on: 'connect', code: 'none' }),
    }));
  it('is no hop itself: the hops of a SYN end at the gateway, or where the host side says', () =>
    runScript(
      `
      ttl 1
      > S 0
      icmp time-exceeded
      = gone
      ttl 2
      > S 0
      + 20
      icmp time-exceeded 203.0.113.1
      = gone
      ttl 32
      > S 0
      + 20
      icmp host
      = gone
      ttl 64
      > S 0
      + 20
      icmp host
      = gone`,
      {
        remote: 0xcb007107,
        prepare: (test) => test.network.fail({ on: 'connect', code: 'EHOSTUNREACH', afterMs: 20, hop: '203.0.113.1' }),
      },
    ));
  it('answers a SYN that counts hops at its target', () =>
    runScript(
      `
      ttl 3
      > S 0
      + 40
      < S. 0 ack 1
      > R 1
      = gone`,
      { remote: 0xcb007107, prepare: distantServer },
    ));
  it('answers for its own addresses, however many hops are left', () => runScript(`ttl 1\n${OPEN}`));
  it('refuses what may not be reached with a reset', () =>
    runScript('> S 0\n < R. 0 ack 1 win 0', { unroutable: ['203.0.113.9'], remote: 0xcb007109 }));
  it('repeats its SYN-ACK, then resets both sides', () =>
    runScript(`
      > S 0
      < S. 0 ack 1
      + 1000
      < S. 0 ack 1
      + 2000
      < S. 0 ack 1
      + 4000
      < S. 0 ack 1
      + 8000
      < S. 0 ack 1
      + 16000
      < S. 0 ack 1
      + 32000
      < S. 0 ack 1
      + 12000
      < R. 1 ack 1
      host error ECONNRESET
      = gone
    `));
  it('refuses a wrong acknowledgment of its SYN', () =>
    runScript(`
      > S 0
      < S. 0 ack 1
      > . 1 ack 77
      < R 77
      = SYN-RECEIVED
      > . 1 ack 1
      = ESTABLISHED
    `));
});

describe('segments without a connection', () => {
  it('are answered as libslirp does', () =>
    runScript(`
      > . 1 ack 7
      < R 7 win 0
      > F 1000
      < R. 0 ack 1000 win 0
      > S. 1 ack 5
      < R 5 win 0
      > . 500:510(10) ack 3
      < R 3
      > P 500:510(10)
      < R. 0 ack 510
    `));
  it('are dropped where an answer would be wrong', () =>
    runScript(`
      > R 5
      > R. 5 ack 3
      > SF 5
      > SFR 5
      drop tcp-flags
    `));
});

describe('bytes from the guest', () => {
  it('are acknowledged when the host took them', () =>
    runScript(`${OPEN}
      > P. 1:101(100) ack 1 win 1024
      < . 1 ack 101 win 512
      host read 100
    `));
  it('come once, whatever is repeated', () =>
    runScript(`${OPEN}
      > P. 1:101(100) ack 1
      < . 1 ack 101
      > P. 1:101(100) ack 1
      < . 1 ack 101
      > P. 51:151(100) ack 1
      < . 1 ack 151
      host read 150
    `));
  it('out of order are reported, and taken when the gap is filled', () =>
    runScript(`${OPEN}
      > . 101:201(100) ack 1
      < . 1 ack 1 <sack 101:201>
      > . 301:401(100) ack 1
      < . 1 ack 1 <sack 301:401 101:201>
      > . 201:301(100) ack 1
      < . 1 ack 1 <sack 101:401>
      host read 0
      > . 1:101(100) ack 1
      < . 1 ack 401 <>
      host read 400
    `));
  it('out of order without SACK give duplicate ACKs', () =>
    runScript(`${PLAIN}
      > . 101:201(100) ack 1
      < . 1 ack 1 win 65535 <>
      > . 1:101(100) ack 1
      < . 1 ack 201 win 65535
    `));
  it('beyond the window are answered and dropped', () =>
    runScript(`${PLAIN}
      > . 70001:70101(100) ack 1
      < . 1 ack 1
      > . 65500:65600(100) ack 1
      < . 1 ack 1
      > . 1:2(1) ack 1
      < . 1 ack 2
      host read 1
    `));
  it('keepalive probes are answered, but not without end', () =>
    runScript(`${OPEN}
      > . 0 ack 1
      < . 1 ack 1
      > . 0:1(1) ack 1
      < . 1 ack 1
    `));
  it('acknowledgments of what was never sent are answered, at a limited rate', () =>
    runScript(`${OPEN}
      ${'> . 1 ack 5000\n < . 1 ack 1\n'.repeat(10)}
      > . 1 ack 5000
      > . 1 ack 5000
      drop tcp-ack-limit
      + 600
      > . 1 ack 5000
      < . 1 ack 1
    `));
  it('wait in the guest while the host does not read', () =>
    runScript(`${OPEN}
      host capacity 1000
      > . 1:1001(1000) ack 1
      < . 1 ack 1001
      > . 1001:1101(100) ack 1
      < . 1 ack 1001
      + 100
      host read 1000
      < . 1 ack 1101
      host read 100
    `));
  it('go on as soon as the host has read some, however little it holds at a time', () =>
    runScript(`${OPEN}
      host capacity 500
      > . 1:501(500) ack 1
      < . 1 ack 501
      > . 501:1701(1200) ack 1
      < . 1 ack 501
      host read 500
      < . 1 ack 1001
      host read 500
      < . 1 ack 1501
      host read 500
      < . 1 ack 1701
      host read 200
    `));
});

describe('urgent data stays in its place and is told on', () => {
  const READ_ABC_U_DEF = `
      host read 3
      host mark
      host read 4`;
  it('of the guest: the pointer is behind the last byte of its segment', () =>
    runScript(`${OPEN}
      > P. 1:4(3) ack 1
      < . 1 ack 4
      > P.U 4:5(1) ack 1 urg 1
      < . 1 ack 5
      > P. 5:8(3) ack 1
      < . 1 ack 8${READ_ABC_U_DEF}`));
  it('of the guest: in the middle of its segment', () =>
    runScript(`${OPEN}
      > P.U 1:8(7) ack 1 urg 4
      < . 1 ack 8${READ_ABC_U_DEF}`));
  it('of the guest: announced before it comes', () =>
    runScript(`${OPEN}
      > .U 1 ack 1 urg 4
      > P.U 1:3(2) ack 1 urg 4
      < . 1 ack 3
      > P.U 3:8(5) ack 1 urg 2
      < . 1 ack 8${READ_ABC_U_DEF}`));
  it('of the guest: out of order', () =>
    runScript(`${OPEN}
      > P.U 4:8(4) ack 1 urg 1
      < . 1 ack 1 <sack 4:8>
      > P. 1:4(3) ack 1
      < . 1 ack 8${READ_ABC_U_DEF}`));
  it('of the guest: while the host has no room', () =>
    runScript(`${OPEN}
      host capacity 2
      > P.U 1:8(7) ack 1 urg 4
      < . 1 ack 3
      host read 2
      < . 1 ack 5
      host read 1
      < . 1 ack 6
      host mark
      host read 2
      < . 1 ack 8
      host read 2`));
  it('of the guest: a pointer to what was passed on, to nothing, or far ahead, changes no byte', () =>
    runScript(`${OPEN}
      > P.U 1:8(7) ack 1 urg 0
      < . 1 ack 8
      host read 7
      > P.U 1:8(7) ack 1 urg 3
      < . 1 ack 8
      > P.U 8:15(7) ack 1 urg 65535
      < . 1 ack 15
      host read 7
      > FP. 15:20(5) ack 1
      < . 1 ack 21
      host read 5
      host eof
      = CLOSE-WAIT`));
  it('of the guest: a newer pointer takes the place of an older one', () =>
    runScript(`${OPEN}
      host capacity 2
      > P.U 1:5(4) ack 1 urg 4
      < . 1 ack 3
      > P.U 5:8(3) ack 1 urg 1
      < . 1 ack 3
      host capacity 100
      host read 2
      host read 2
      < . 1 ack 8
      host mark
      host read 3`));
  it('of the guest: its end and its reset do not overtake it', () =>
    runScript(`${OPEN}
      > FP.U 1:5(4) ack 1 urg 4
      < . 1 ack 6
      > R. 6 ack 1
      = gone
      host read 3
      host mark
      host read 1
      host error ECONNRESET`));
  it('of the host', () =>
    runScript(`${OPEN}
      host write 3
      < P. 1:4(3) ack 1
      host urgent
      < P.U 4:5(1) ack 1 urg 1
      host write 3
      < P. 5:8(3) ack 1
      > . 1 ack 8`));
  it('of the host, behind what waits, sent again, and never as part of a frame that is cut', () =>
    runScript(`${OPEN}
      host write 3000
      host urgent
      host write 3000
      < . 1:1461(1460) ack 1
      < . 1461:2921(1460) ack 1
      < P. 2921:3001(80) ack 1
      < P.U 3001:3002(1) ack 1 urg 1
      < . 3002:4462(1460) ack 1
      < . 4462:5922(1460) ack 1
      < P. 5922:6002(80) ack 1
      > . 1 ack 2921 win 1024
      > . 1 ack 2921 win 1024 <sack 3002:4462>
      > . 1 ack 2921 win 1024 <sack 3002:5922>
      > . 1 ack 2921 win 1024 <sack 3002:6002>
      < .U 2921:3002(81) ack 1 urg 81
      > . 1 ack 6002 win 1024`));
});

describe('what came before a reset goes out before it', () => {
  it('of the host, to a guest that acknowledges it', () =>
    runScript(`${OPEN}
      host write 45
      host reset
      < P. 1:46(45) ack 1
      = ESTABLISHED
      > . 1 ack 46
      < R. 46 ack 1
      = gone`));
  it('of the host, also what was lost, and what the window held back', () =>
    runScript(`
      > S 0 win 65535 <mss 1460>
      < S. 0 ack 1
      > . 1 ack 1 win 2000
      host write 5000
      host reset
      < P. 1:1461(1460) ack 1
      + 200
      < P. 1:1461(1460) ack 1
      > . 1 ack 1461 win 2000
      < P. 1461:2921(1460) ack 1
      > . 1 ack 2921 win 5000
      < . 2921:4381(1460) ack 1
      < P. 4381:5001(620) ack 1
      > P. 1:101(100) ack 2921 win 5000
      > . 101 ack 5001
      < R. 5001 ack 1
      = gone`));
  it('of the host, behind its end', () =>
    runScript(`${OPEN}
      host write 45
      host shutdown
      < P. 1:46(45) ack 1
      < F. 46 ack 1
      > P. 1:11(10) ack 1
      < . 47 ack 11
      host reset
      > P. 11:21(10) ack 1
      = FIN-WAIT-1
      > . 21 ack 47
      < R. 47 ack 11
      = gone`));
  it('of the host, unless the guest takes none of it for a minute', () =>
    runScript(`
      > S 0 win 65535 <mss 1460>
      < S. 0 ack 1
      > . 1 ack 1
      host write 45
      host reset
      < P. 1:46(45) ack 1
      busy
      + 59000
      = ESTABLISHED
      + 1000
      < R. 46 ack 1
      = gone`));
  it('of the guest, which is in order', () =>
    runScript(`${OPEN}
      > P. 1:7(6) ack 1
      < . 1 ack 7
      > R. 7 ack 1
      = gone
      host read 6
      host error ECONNRESET`));
  it('of the guest, while the host does not read', () =>
    runScript(`${OPEN}
      host capacity 1000
      > P. 1:2501(2500) ack 1
      < . 1 ack 1001
      > R. 2501 ack 1
      = gone
      host read 1000
      host read 1000
      host read 500
      host error ECONNRESET`));
  it('of the guest, that a challenge brought', () =>
    runScript(`${OPEN}
      host capacity 1000
      > P. 1:2501(2500) ack 1
      < . 1 ack 1001
      > R. 3000 ack 1
      < . 1 ack 1001
      > R 1001
      = gone
      host read 1000
      host read 1000
      host read 500
      host error ECONNRESET`));
  it('of the guest, with its end in front of it', () =>
    runScript(`${OPEN}
      host capacity 1000
      > FP. 1:2501(2500) ack 1
      < . 1 ack 1001
      > R. 2502 ack 1
      = gone
      host read 1000
      host read 1000
      host read 500
      host error ECONNRESET`));
  it('of the guest, unless the host takes none of it for a minute', () =>
    runScript(`${OPEN}
      host capacity 1000
      > P. 1:2501(2500) ack 1
      < . 1 ack 1001
      > R. 2501 ack 1
      = gone
      + 61000
      host read 1000
      host error ECONNRESET`));
});

describe('resets', () => {
  it('of the guest reach the host', () => runScript(`${OPEN}\n > R 1\n host error ECONNRESET\n = gone`));
  it('with bytes of the host unread, too', () =>
    runScript(`${OPEN}
      host write 10
      < P. 1:11(10) ack 1
      > R. 1 ack 11
      host error ECONNRESET
      = gone`));
  it('elsewhere in the window are challenged (RFC 5961)', () =>
    runScript(`${OPEN}
      > R 100
      < . 1 ack 1
      > R 90000
      > R 0
      = ESTABLISHED
      drop tcp-reset-window`));
  it('SYNs in the window are challenged (RFC 5961)', () =>
    runScript(`${OPEN}
      > S 100
      < . 1 ack 1
      > S. 1 ack 1
      < . 1 ack 1
      = ESTABLISHED`));
  it('of the host reach the guest', () => runScript(`${OPEN}\n host reset\n < R. 1 ack 1\n = gone`));
  it('of a half-closed host reach the guest', () =>
    runScript(`${OPEN}
      host shutdown
      < F. 1 ack 1
      > . 1 ack 2
      = FIN-WAIT-2
      host reset
      < R. 2 ack 1
      = gone`));
  it('come from a host that closed with bytes unread', () =>
    runScript(`${OPEN}
      > P. 1:11(10) ack 1
      < . 1 ack 11
      host close
      < R. 1 ack 11
      = gone`));
});

describe('closing', () => {
  it('begun by the guest', () =>
    runScript(`${OPEN}
      > F. 1 ack 1
      < . 1 ack 2
      = CLOSE-WAIT
      host eof
      host write 10
      < P. 1:11(10) ack 2
      > . 2 ack 11
      host close
      < F. 11 ack 2
      = LAST-ACK
      > . 2 ack 12
      = gone`));
  it('begun by the host', () =>
    runScript(`${OPEN}
      host shutdown
      < F. 1 ack 1
      = FIN-WAIT-1
      > . 1 ack 2
      = FIN-WAIT-2
      > P. 1:11(10) ack 2
      < . 2 ack 11
      host read 10
      > F. 11 ack 2
      < . 2 ack 12
      = TIME-WAIT
      host eof
      > F. 11 ack 2
      < . 2 ack 12
      + 11000
      = gone`));
  it('by both at once', () =>
    runScript(`${OPEN}
      host shutdown
      < F. 1 ack 1
      > F. 1 ack 1
      < . 2 ack 2
      = CLOSING
      > . 2 ack 2
      = TIME-WAIT
      + 11000
      = gone`));
  it('with FIN and bytes in one segment', () =>
    runScript(`${OPEN}
      > FP. 1:11(10) ack 1
      < . 1 ack 12
      host read 10
      host eof
      = CLOSE-WAIT`));
  it('with a FIN ahead of its bytes', () =>
    runScript(`${OPEN}
      > F. 11 ack 1
      < . 1 ack 1
      = ESTABLISHED
      > P. 1:11(10) ack 1
      < . 1 ack 12
      host read 10
      host eof
      = CLOSE-WAIT`));
  it('with bytes beyond the FIN, which are not believed', () =>
    runScript(`${OPEN}
      > F. 11 ack 1
      < . 1 ack 1
      > P. 1:21(20) ack 1
      < . 1 ack 12
      host read 10
      host eof
      = CLOSE-WAIT`));
  it('with a FIN that the acknowledgment of ours carries', () =>
    runScript(`${OPEN}
      host shutdown
      < F. 1 ack 1
      > F. 1 ack 2
      < . 2 ack 2
      = TIME-WAIT
      + 11000`));
  it('repeats its FIN', () =>
    runScript(`${OPEN}
      host shutdown
      < F. 1 ack 1
      + 250
      < F. 1 ack 1
      > . 1 ack 2
      = FIN-WAIT-2`));
  it('a new SYN takes the place of TIME-WAIT', () =>
    runScript(`${OPEN}
      host shutdown
      < F. 1 ack 1
      > F. 1 ack 2
      < . 2 ack 2
      = TIME-WAIT
      > S 1000
      < S. 0 ack 1001
      = SYN-RECEIVED`));
  it('asks a guest that has closed after ten minutes of silence; one that forgot the connection frees the socket', () =>
    runScript(`${OPEN}
      > F. 1 ack 1
      < . 1 ack 2
      host eof
      = CLOSE-WAIT
      + 599000
      = CLOSE-WAIT
      + 1000
      < . 0 ack 2
      > . 2 ack 1
      = CLOSE-WAIT
      + 300000
      host write 10
      < P. 1:11(10) ack 2
      > . 2 ack 11
      + 599000
      + 1000
      < . 10 ack 2
      > R 2
      = gone
      host error ECONNRESET`));
  it('asks a guest that stays in FIN-WAIT-2 whether it lives, and gives up', async () => {
    const statistics = await runScript(`${OPEN}
      host shutdown
      < F. 1 ack 1
      > . 1 ack 2
      = FIN-WAIT-2
      + 600000
      < . 1 ack 1
      > . 1 ack 2
      + 600000
      < . 1 ack 1
      ${'+ 75000\n < . 1 ack 1\n'.repeat(8)}
      + 75000
      < R. 2 ack 1
      host error ECONNRESET
      = gone`);
    expect(statistics['tcp.keepalives']).toBe(10);
  });
});

/** A server three hops away: connecting takes 40 ms. */
function distantServer(test: TestHost): void {
  const server = test.network.addHost('203.0.113.7', { latencyMs: 20 });
  void server.sockets.listen({ family: 'ipv4', host: '203.0.113.7', port: 80 });
}
