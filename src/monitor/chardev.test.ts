import { describe, expect, it } from 'vitest';
import {
  asksForChardevHelp,
  chardevHelp,
  monitorOn,
  parseChardev,
  parseChardevReference,
  parseHmpDevice,
  parseMon,
  parseQmpDevice,
} from './chardev.ts';

const socket = { kind: 'socket', server: false, wait: false, noDelay: true, reconnectMs: undefined };

describe('parseQmpDevice', () => {
  it.each([
    ['stdio', { kind: 'stdio' }],
    ['unix:/p', { ...socket, address: { path: '/p' } }],
    ['unix:/p,server=on,wait=off', { ...socket, address: { path: '/p' }, server: true }],
    ['unix:/p,server,nowait', { ...socket, address: { path: '/p' }, server: true }],
    ['unix:/p,server=on', { ...socket, address: { path: '/p' }, server: true, wait: true }],
    ['unix:/a,,b,server=on,wait=no', { ...socket, address: { path: '/a,b' }, server: true }],
    ['unix:/p,reconnect=2', { ...socket, address: { path: '/p' }, reconnectMs: 2000 }],
    ['unix:/p,reconnect-ms=0', { ...socket, address: { path: '/p' } }],
    [
      'tcp:127.0.0.1:4444,server=on,wait=off',
      { ...socket, address: { host: '127.0.0.1', port: '4444' }, server: true },
    ],
    [
      'tcp::0,server=on,wait=off,nodelay=off',
      { ...socket, address: { host: '', port: '0' }, server: true, noDelay: false },
    ],
    ['tcp:[::1]:44', { ...socket, address: { host: '::1', port: '44' } }],
    ['tcp:h:1,ipv4', { ...socket, address: { host: 'h', port: '1', family: 4 } }],
    ['tcp:h:1,ipv4=on', { ...socket, address: { host: 'h', port: '1', family: 4 } }],
    ['tcp:h:1,ipv6=off', { ...socket, address: { host: 'h', port: '1', family: 4 } }],
    ['tcp:h:1,ipv4=off', { ...socket, address: { host: 'h', port: '1', family: 6 } }],
    ['tcp:h:1,ipv4=on,ipv6=on', { ...socket, address: { host: 'h', port: '1' } }],
    ['unix:/p,telnet=off,tn3270=off,websocket=off,mux=off,abstract=off', { ...socket, address: { path: '/p' } }],
    ['unix:/p,tight=off,signal=on,logappend=on,ipv4=on', { ...socket, address: { path: '/p' } }],
  ])('reads %s', (text, device) => {
    expect(parseQmpDevice(text)).toEqual(device);
  });

  /** Texts of QEMU 7.2.22, but for what netyard does not have. */
  it.each([
    ['bogus', "'bogus' is not a valid char driver", 'parse error: bogus'],
    ['', "'' is not a valid char driver", 'parse error: '],
    ['unix', "'unix' is not a valid char driver", 'parse error: unix'],
    ['stdio,foo=1', "'stdio,foo=1' is not a valid char driver", 'parse error: stdio,foo=1'],
    ['tcp:127.0.0.1', 'parse error: tcp:127.0.0.1', undefined],
    ['unix:/p,server=maybe', "Parameter 'server' expects 'on' or 'off'", 'parse error: unix:/p,server=maybe'],
    ['unix:/p,foo=1', "Invalid parameter 'foo'", 'parse error: unix:/p,foo=1'],
    ['unix:/p,wait=off', "'wait' option is incompatible with socket in client connect mode", undefined],
    [
      'unix:/p,server=on,reconnect=1',
      "'reconnect' option is incompatible with socket in server listen mode",
      undefined,
    ],
    ['unix:/p,server=on,telnet=on', "netyard's monitors have no option 'telnet'", undefined],
    [
      'unix:/p,server=on,reconnect=0',
      "'reconnect' option is incompatible with socket in server listen mode",
      undefined,
    ],
    ['tcp:h:1,ipv4=off,ipv6=off', 'Cannot disable IPv4 and IPv6 at same time', undefined],
    ['unix:/p,telnet=x', "Parameter 'telnet' expects 'on' or 'off'", 'parse error: unix:/p,telnet=x'],
    ['unix:', "chardev: socket: one of 'path', 'fd' or 'host' is needed", undefined],
  ])('refuses %j', (text, message, hint) => {
    expect(() => parseQmpDevice(text)).toThrow(expect.objectContaining({ name: 'QapiError', message, hint }));
  });
});

describe('-chardev and -mon', () => {
  it('join by id, once', () => {
    const { id, device } = parseChardev('socket,id=c,path=/p,server=on,wait=off');
    const chardevs = new Map([[id, device]]);
    const taken = new Set<string>();
    const mon = parseMon('c,mode=control,pretty=on');
    expect(monitorOn(mon, chardevs, taken)).toEqual({
      device: { ...socket, address: { path: '/p' }, server: true },
      pretty: true,
    });
    expect(() => monitorOn(mon, chardevs, taken)).toThrow("Device 'c' is in use");
    expect(() => monitorOn({ chardev: 'nope', pretty: false }, chardevs, taken)).toThrow('chardev "nope" not found');
  });

  it.each([
    ['socket,path=/x', 'chardev: no id specified'],
    ['socket,id=a,fd=x', 'Unable to parse FD number x'],
    ['socket,id=a,fd=3,path=/x', "None or one of 'path', 'fd' or 'host' option required."],
    ['socket,id=a,fd=3,reconnect=1', "'reconnect' option is incompatible with 'fd' address type"],
    ['stdio,id=a,foo=1', "Invalid parameter 'foo'"],
    ['stdio,id=a,mux=on', "netyard's monitors have no option 'mux'"],
    ['id=a', 'chardev: "a" missing backend'],
    ['foo,id=a', "'foo' is not a valid char driver name"],
    ['socket,id=1a,path=/x', "Parameter 'id' expects an identifier"],
    ['socket,id=a,path=/x,host=1,port=2', "None or one of 'path', 'fd' or 'host' option required."],
    ['socket,id=a,host=h', 'chardev: socket: no port given'],
    ['socket,id=a,path=/x,bogus=1', "Invalid parameter 'bogus'"],
    ['socket,id=a,path=/x,wait=off', "'wait' option is incompatible with socket in client connect mode"],
  ])('-chardev %s is refused', (text, message) => {
    expect(() => parseChardev(text)).toThrow(expect.objectContaining({ message }));
  });

  it.each([
    ['mode=control', "Parameter 'chardev' is missing"],
    ['chardev=a,foo=1', "Invalid parameter 'foo'"],
    ['chardev=a,mode=foo', "Parameter 'mode' does not accept value 'foo'"],
    ['chardev=a,mode=control,pretty=2', "Parameter 'pretty' expects 'on' or 'off'"],
    ['chardev=a', expect.stringContaining('use -qmp')],
  ])('-mon %s is refused', (text, message) => {
    expect(() => parseMon(text)).toThrow(expect.objectContaining({ message }));
  });

  it('a descriptor is what libvirt gives', () => {
    const { device } = parseChardev('socket,id=charmonitor,fd=25,server=on,wait=off');
    expect(device).toEqual({ ...socket, address: { fd: 25 }, server: true });
  });

  it('-qmp chardev:ID names one', () => {
    expect(parseChardevReference('chardev:mon')).toBe('mon');
    expect(parseChardevReference('unix:/chardev:mon')).toBeUndefined();
    expect(() => parseChardevReference('chardev:')).toThrow("Parameter 'id' expects an identifier");
    expect(() => parseChardevReference('chardev:a,b')).toThrow("Parameter 'id' expects an identifier");
  });

  it('lists its kinds', () => {
    expect(['help', '?', 'backend=help', 'help,id=x'].every(asksForChardevHelp)).toBe(true);
    expect(asksForChardevHelp('socket,id=help')).toBe(false);
    expect(chardevHelp()).toEqual(['Available chardev backend types: ', '  stdio', '  socket']);
  });

  it.each(['signal=off', 'mux=off', 'logappend=on', 'path=/unused'])('stdio,%s is stdio', (option) => {
    expect(parseChardev(`stdio,id=a,${option}`).device).toEqual({ kind: 'stdio' });
  });

  it('knows the human monitor only as absent', () => {
    expect(() => parseHmpDevice('none')).not.toThrow();
    expect(() => parseHmpDevice('stdio')).toThrow('human-monitor-command');
  });
});
