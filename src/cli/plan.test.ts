import { beforeEach, describe, expect, it } from 'vitest';
import { commandLine, makePlan } from './plan.ts';
import { scanOptions } from './scan-options.ts';

beforeEach(() => {
  process.env['XDG_RUNTIME_DIR'] = '/run/user/1000';
});

const plan = (...argv: string[]) => makePlan(scanOptions(argv));
const DEFAULT_LINE =
  'netyard -name default -netdev user,id=user ' +
  '-netdev listener,id=guests,addr.type=unix,addr.path=/run/user/1000/netyard/default/guests.sock ' +
  '-qmp unix:/run/user/1000/netyard/default/qmp.sock,server=on,wait=off';

describe('scanOptions', () => {
  it('takes -x and --x alike and keeps the order', () => {
    expect(scanOptions(['--netdev', 'user,id=a', '-nodefaults', '-netdev', '-odd'])).toEqual([
      { name: 'netdev', argument: 'user,id=a' },
      { name: 'nodefaults', argument: undefined },
      { name: 'netdev', argument: '-odd' },
    ]);
  });

  it.each([
    [['-foo'], '-foo: invalid option'],
    [['--foo'], '--foo: invalid option'],
    [['-device', 'e1000'], '-device: invalid option: leave it to QEMU, netyard has no machine'],
    [['-m', '1G'], '-m: invalid option: leave it to QEMU, netyard has no machine'],
    [['--enable-kvm'], '--enable-kvm: invalid option: leave it to QEMU, netyard has no machine'],
    [['-netdev'], '-netdev: requires an argument'],
    [['-nodefaults', 'word'], "word: unexpected argument: options start with '-', see 'netyard --help'"],
    [['-toString'], '-toString: invalid option'],
  ])('%j', (argv, message) => {
    expect(() => scanOptions(argv)).toThrow(message);
  });
});

describe('makePlan', () => {
  it('without options is the default yard, and the printed line gives the same plan', () => {
    expect(commandLine(plan())).toBe(DEFAULT_LINE);
    const words = DEFAULT_LINE.split(' ').slice(1);
    expect({ ...plan(...words), guestSocket: undefined }).toEqual({ ...plan(), guestSocket: undefined });
  });

  it('a name moves the sockets', () => {
    expect(commandLine(plan('-name', 'lab'))).toBe(DEFAULT_LINE.replaceAll('default', 'lab'));
    expect(plan('-name', 'guest=lab,debug-threads=on').name).toBe('lab');
    expect(plan('-name', 'debug-threads=on').name).toBe('default');
    expect(commandLine(plan('-name', 'guest=lab'))).toBe(DEFAULT_LINE.replaceAll('default', 'lab'));
  });

  it('netdevs of your own replace the default network, not the monitor', () => {
    expect(commandLine(plan('-netdev', 'user,id=u'))).toBe(
      'netyard -name default -netdev user,id=u -qmp unix:/run/user/1000/netyard/default/qmp.sock,server=on,wait=off',
    );
    expect(plan('-nic', 'none').options.map(({ name }) => name)).toEqual(['name', 'nic', 'qmp']);
    expect(plan('-qmp', 'stdio').options.filter(({ name }) => name === 'qmp')).toHaveLength(1);
  });

  it('-nodefaults adds nothing, claims no name and has no switch', () => {
    const bare = plan('-nodefaults');
    expect(bare).toEqual({
      name: undefined,
      useSwitch: false,
      options: [{ name: 'nodefaults', argument: undefined }],
      guestSocket: undefined,
    });
    expect(plan('-nodefaults', '-name', 'x').name).toBe('x');
  });

  it('quotes for a shell', () => {
    expect(commandLine(plan('-nodefaults', '-netdev', '{"type":"user","id":"it\'s"}'))).toBe(
      `netyard -nodefaults -netdev '{"type":"user","id":"it'\\''s"}'`,
    );
  });

  it.each([
    [['-nic', 'user'], "-nic user: only 'none' is possible"],
    [['-net', 'nic'], "-net nic: only 'none' is possible"],
    [['-name', 'a/b'], '-name a/b: a name is letters'],
    [['-name', '..'], '-name ..: a name is letters'],
    [['-name', ''], '-name : a name is letters'],
    [['-name', 'a,process=b'], "-name a,process=b: Invalid parameter 'process'"],
    [['-name', 'a,debug-threads=x'], "-name a,debug-threads=x: Parameter 'debug-threads' expects 'on' or 'off'"],
    [['-name', 'n'.repeat(90)], 'the system takes at most 107'],
  ])('%j', (argv, message) => {
    expect(() => plan(...argv)).toThrow(message);
  });
});
