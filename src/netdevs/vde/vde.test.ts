import { beforeEach, describe, expect, it } from 'vitest';
import { createTestHost, type TestHost } from '../../../tests/kit/host.ts';
import { createRecordingContext, give, type RecordingContext, testFrame } from '../../../tests/kit/netdev-context.ts';
import { MemoryVdeSwitch, type UnixDatagrams, withUnixDatagrams } from '../../../tests/kit/vde-switch.ts';
import type { NetClient } from '../../net/client.ts';
import type { Host } from '../../net/host.ts';
import type { NetdevVdeOptions } from '../../schema/net.ts';
import { createVde } from './index.ts';
import { planVde } from './options.ts';
import { encodeRequest, parseReply, REPLY_BYTES } from './vde-protocol.ts';

let test: TestHost;
let host: Host;
let unix: UnixDatagrams;
let context: RecordingContext;
let far: MemoryVdeSwitch;

beforeEach(async () => {
  test = createTestHost();
  ({ host, unix } = withUnixDatagrams(test));
  context = createRecordingContext(host);
  far = await new MemoryVdeSwitch(test, unix).listen('/switch');
});

async function open(options: NetdevVdeOptions = { sock: '/switch' }, limitMs = 0): Promise<NetClient> {
  const starting = createVde(options, context);
  starting.catch(() => undefined);
  await test.elapse(limitMs);
  return starting;
}

async function end(client?: NetClient): Promise<void> {
  await client?.close();
  await far.close();
  await test.settle();
  expect(test.leaks()).toEqual([]);
}

const messages = (): string[] => test.logs.map(({ message }) => message);

describe('the protocol', () => {
  it('a request is what libvdeplug sends', () => {
    const bytes = encodeRequest(5, '/tmp/sw/.00042-00000', 'who am I');
    expect(bytes.length).toBe(122 + 8);
    expect(Buffer.from(bytes.subarray(0, 34)).toString('latin1')).toBe(
      '\xce\xfa\xed\xfe\x03\0\0\0\0\x05\0\0\x01\0/tmp/sw/.00042-00000',
    );
    expect(bytes.subarray(34, 122).every((byte) => byte === 0)).toBe(true);
    expect(Buffer.from(bytes.subarray(122)).toString()).toBe('who am I');
  });

  it('a description is cut off, and printable', () => {
    expect(encodeRequest(0, '/a', 'x'.repeat(500)).length).toBe(250);
    expect(Buffer.from(encodeRequest(0, '/a', 'ä\n\0b').subarray(122)).toString()).toBe('???b');
    expect(() => encodeRequest(0, `/${'x'.repeat(107)}`, '')).toThrow(RangeError);
  });

  it('an answer is an address with a path, whatever follows it', () => {
    const bytes = new Uint8Array(REPLY_BYTES);
    expect(parseReply(bytes)).toBeUndefined();
    bytes.set([1, 0, 0x2f, 0x61, 0, 0x62]);
    expect(parseReply(bytes)).toBe('/a');
    expect(parseReply(bytes.subarray(0, REPLY_BYTES - 1))).toBeUndefined();
    bytes.fill(0x61, 2);
    expect(parseReply(bytes)).toBe('a'.repeat(108));
    bytes[0] = 2;
    expect(parseReply(bytes)).toBeUndefined();
  });
});

describe('options', () => {
  it.each([
    [{ sock: '/s' }, ['/s'], 0],
    [{ sock: '/s', port: 65_535 }, ['/s'], 65_535],
    [{ sock: '/s[7]' }, ['/s'], 7],
    [{ sock: 'vde:///s[7]', port: 8 }, ['/s'], 8],
    [{}, ['/home/tester/.vde2/default.switch', '/home/tester/.vdeplug/default', '/var/run/vde.ctl', '/tmp/vde.ctl'], 0],
    [
      { sock: '[3]' },
      ['/home/tester/.vde2/default.switch', '/home/tester/.vdeplug/default', '/var/run/vde.ctl', '/tmp/vde.ctl'],
      3,
    ],
  ] as [NetdevVdeOptions, string[], number][])('%o', (options, directories, port) => {
    expect(planVde(options, host)).toMatchObject({ directories, port, mode: 0o700, group: undefined });
  });

  it('without a home there are the switches of the system', () => {
    expect(planVde({ sock: '' }, test.host).directories).toEqual(['/var/run/vde.ctl', '/tmp/vde.ctl']);
  });

  it.each([
    ['tap://tap0', 'tap:// is no switch'],
    ['/s[]', 'wires between two programs'],
    ['/s[70000]', 'there is no port 70000'],
  ])('%s: %s', async (sock, text) => {
    await expect(createVde({ sock }, context)).rejects.toThrow(`Could not open vde: ${text}`);
    await end();
  });

  it.each([
    [{}, { mode: 0o700, usableBy: '/switch/ctl' }],
    [{ mode: 0o640 }, { mode: 0o640, usableBy: '/switch/ctl' }],
    [
      { group: 'vde', mode: 0o660 },
      { mode: 0o660, group: 'vde' },
    ],
  ] as [NetdevVdeOptions, object][])('%o gives the path this access: %o', async (options, access) => {
    const client = await open({ sock: '/switch', ...options });
    expect(unix.asked).toEqual([access]);
    await end(client);
  });
});

describe('taking a port', () => {
  it('asks with its number and name, and leaves no path', async () => {
    const client = await open({ sock: '/switch', port: 3 });
    expect(Buffer.from(far.requests[0]!).toString('latin1')).toMatch(
      /\/switch\/\.00042-\d{5}\0+netyard n0 user=tester pid=42$/,
    );
    expect([...unix.paths.keys()]).toEqual(['/switch/000.9']);
    expect(client.info()).toBe('sock=/switch,fd=-1');
    await end(client);
  });

  it('the first of the default switches that is there', async () => {
    const other = await new MemoryVdeSwitch(test, unix).listen('/var/run/vde.ctl');
    const client = await open({});
    expect(other.requests).toHaveLength(1);
    await other.close();
    await end(client);
  });

  it('no switch at all', async () => {
    await expect(open({})).rejects.toMatchObject({
      name: 'QapiError',
      message: 'Could not open vde: No such file or directory',
      hint: 'looked at /home/tester/.vde2/default.switch, /home/tester/.vdeplug/default, /var/run/vde.ctl, /tmp/vde.ctl',
    });
    await end();
  });

  it('a name in use is passed by; a directory that is not ours is left for another', async () => {
    unix.failing.set(/^\/switch/, 'EACCES');
    unix.failing.set(/^\/var\/run/, 'ENOENT');
    let client = await open();
    expect(Buffer.from(far.requests[0]!).toString('latin1')).toMatch(/\/var\/tmp\/vde\.00042-\d{5}\0/);
    await client.close();
    unix.failing.clear();
    const text = Buffer.from(far.requests[0]!).toString('latin1');
    const next = Number(/-(\d{5})\0/.exec(text)?.[1]) + 1;
    unix.failing.set(`/switch/.00042-${String(next).padStart(5, '0')}`, 'EADDRINUSE');
    client = await open();
    expect(Buffer.from(far.requests[1]!).toString('latin1')).toContain(`-${String(next + 1).padStart(5, '0')}\0`);
    await end(client);
  });

  it.each([
    ['EACCES', 'Permission denied'],
    ['ENOTSUP', 'Operation not supported'],
  ])('%s in every directory: %s', async (code, text) => {
    unix.failing.set(/./, code);
    await expect(open()).rejects.toThrow(`Could not open vde: ${text}`);
    await end();
  });

  it('without unix datagram sockets it says so', async () => {
    const plain = createRecordingContext(test.host);
    const starting = createVde({ sock: '/switch' }, plain);
    starting.catch(() => undefined);
    await test.settle();
    await expect(starting).rejects.toThrow('Could not open vde: Operation not supported');
    await end();
  });

  it('silence ends after three seconds', async () => {
    far.onRequest = () => {};
    await expect(open({ sock: '/switch', port: 3 }, 3000)).rejects.toThrow(
      'Could not open vde: the switch at /switch does not answer: it has no port 3, or another user has it',
    );
    await end();
  });

  it('deleted while it waits', async () => {
    far.onRequest = () => {};
    const starting = createVde({ sock: '/switch' }, context);
    starting.catch(() => undefined);
    await test.settle();
    context.abort();
    await test.settle();
    await expect(starting).rejects.toThrow();
    await end();
  });

  it('an answer in pieces', async () => {
    const whole = far.onRequest;
    far.onRequest = (control, request) => {
      const { write } = control;
      control.write = (bytes, offset, length) => {
        for (let i = 0; i < length; i++) write.call(control, bytes, offset + i, 1);
        return length;
      };
      whole(control, request);
    };
    await end(await open());
  });
});

describe('losing the switch', () => {
  it('the carrier goes, and comes back with the switch; one line each in the log, and one for why it is not there', async () => {
    const client = await open({ sock: '/switch', port: 9 });
    await far.close();
    await test.settle();
    expect(context.port.linkUp).toBe(false);
    expect(give(client, testFrame(60))).toBe(true);
    expect(context.port.counters.dropped).toEqual({ 'link-down': 1 });
    await test.elapse(5000);
    expect(messages()).toEqual([
      "netdev 'n0': lost the switch at /switch (it closed the connection): looking for it again",
      "netdev 'n0': the switch is not back: No such file or directory",
    ]);
    await far.listen('/switch');
    await test.elapse(1000);
    expect(context.port.linkUp).toBe(true);
    expect(messages()).toHaveLength(3);
    expect(far.requests[1]?.[9]).toBe(9);
    give(client, testFrame(60, 1));
    far.send(testFrame(64, 2));
    await test.settle();
    expect(far.received).toEqual([testFrame(60, 1)]);
    expect(context.port.frames).toEqual([testFrame(64, 2)]);
    await end(client);
  });

  it('each reason why it is not back is said once, faults of ours as errors', async () => {
    const client = await open();
    far.controls[0]?.close();
    await test.settle();
    test.logs.length = 0;
    for (const code of ['EACCES', 'EMFILE', 'EACCES']) {
      unix.failing.set('/', code);
      await test.elapse(3000);
    }
    unix.failing.clear();
    const { datagram } = unix.sockets;
    unix.sockets.datagram = () => Promise.reject(new TypeError('a fault'));
    await test.elapse(3000);
    unix.sockets.datagram = datagram;
    await test.elapse(1000);
    expect(test.logs.map(({ level, message }) => [level, message])).toEqual([
      ['warn', "netdev 'n0': the switch is not back: Permission denied"],
      ['warn', "netdev 'n0': the switch is not back: Too many open files"],
      ['error', "netdev 'n0': looking for the switch failed"],
      ['info', "netdev 'n0': the switch at /switch is back"],
    ]);
    // Lost once more, it is said once more.
    far.controls.at(-1)?.close();
    unix.failing.set('/', 'EACCES');
    await test.elapse(3000);
    expect(messages().slice(5)).toEqual(["netdev 'n0': the switch is not back: Permission denied"]);
    await end(client);
  });

  it('a data socket that refuses is a switch that is gone', async () => {
    const client = await open();
    unix.made[0]?.raise('ECONNREFUSED');
    await test.settle();
    expect(context.port.linkUp).toBe(false);
    await test.elapse(1000);
    expect(context.port.linkUp).toBe(true);
    await end(client);
  });

  it('an error of a single frame is not', async () => {
    const client = await open();
    unix.made[0]?.raise('EMSGSIZE');
    await test.settle();
    expect(context.port.linkUp).toBe(true);
    expect(context.port.counters.dropped).toEqual({ 'send-error': 1 });
    await end(client);
  });

  it('who was refused for want of room gets a word', async () => {
    const client = await open();
    (unix.made[0] as { sendRoom: number }).sendRoom = 0;
    while (give(client, testFrame(1000)));
    expect(context.port.readyCalls).toBe(0);
    await far.close();
    await test.settle();
    expect(context.port.readyCalls).toBe(1);
    await end(client);
  });

  it('deleted while it looks for the switch, or just finds it', async () => {
    const client = await open();
    far.controls[0]?.close();
    await test.settle();
    far.onRequest = () => {};
    await test.elapse(1000);
    expect(far.requests).toHaveLength(2);
    await Promise.all([client.close(), test.settle()]);
    await test.elapse(5000);
    expect(far.requests).toHaveLength(2);
    await end(client);
  });
});
