import { describe, expect, it } from 'vitest';
import { faultOf } from '../../tests/kit/test-schema.ts';
import { NETYARD_TABLE } from '../schema/net.ts';
import { parseOptionList } from './opts.ts';
import { parseNetdevArgument, parseNetdevOptions } from './opts-netdev.ts';
import { Schema } from './table-schema.ts';
import type { JsonValue } from './value.ts';

const schema = new Schema(NETYARD_TABLE);
const parse = (text: string) => parseNetdevArgument(schema, text, (json) => JSON.parse(json) as JsonValue);
const fault = (text: string): string | undefined => faultOf(() => parse(text));
const SHORT = (word: string, advice: string): string =>
  `short-form boolean option '${word}' deprecated\nPlease use ${advice} instead`;

describe('parseNetdevArgument', () => {
  it('chooses the form by the text and its type', () => {
    expect(parse('{"type":"user","id":"1 a"}')).toEqual({
      value: { type: 'user', id: '1 a' },
      warnings: [],
      form: 'json',
    });
    expect(parse('stream,id=1a,addr.type=unix,addr.path=/x')).toEqual({
      value: { type: 'stream', id: '1a', addr: { type: 'unix', path: '/x' } },
      warnings: [],
      form: 'keyval',
    });
    expect(parse('id=l,type=listener,addr.type=inet,addr.host=h,addr.port=1,addr.to=2').form).toBe('keyval');
    expect(parse('user,id=a').form).toBe('traditional');
    // The last type counts.
    expect(parse('user,type=stream,id=a,id=b,addr.type=fd,addr.str=5').value).toMatchObject({
      type: 'stream',
      id: 'b',
    });
    expect(parse('stream,type=user,id=a,restrict=on')).toMatchObject({
      form: 'traditional',
      value: { restrict: true },
    });
    expect(parse('user,id=a,type=hubport,hubid=0').value).toEqual({ type: 'hubport', id: 'a', hubid: 0 });
    expect(fault(' {"type":"user","id":"a"}')).toBe(`Parameter 'id' is missing`);
    expect(fault('{"type":"user","id":"a","restrict":"on"}')).toBe(
      "Invalid parameter type for 'restrict', expected: boolean",
    );
    expect(fault('{"type":"user","id":"a","ipv6-net":"fec0::"}')).toBe("Parameter 'ipv6-net' is unexpected");
  });

  it.each<[string, object]>([
    ['user,id=a,id=b', { type: 'user', id: 'a' }],
    ['user,id=a,', { type: 'user', id: 'a' }],
    ['user,id=a,bootfile=a,,,restrict=on', { type: 'user', id: 'a', bootfile: 'a,', restrict: true }],
    ['user,id=a,hostname==x', { type: 'user', id: 'a', hostname: '=x' }],
    [
      'user,id=a,hostfwd=x,dnssearch=d,hostfwd=y',
      { type: 'user', id: 'a', dnssearch: [{ str: 'd' }], hostfwd: [{ str: 'x' }, { str: 'y' }] },
    ],
    ['hubport,id=a,hubid=0x10', { type: 'hubport', id: 'a', hubid: 16 }],
    ['hubport,id=a,hubid=010', { type: 'hubport', id: 'a', hubid: 8 }],
    ['hubport,id=a,hubid= 5', { type: 'hubport', id: 'a', hubid: 5 }],
    ['hubport,id=a,hubid=-3', { type: 'hubport', id: 'a', hubid: -3 }],
    ['none,id=a', { type: 'none', id: 'a' }],
    ['passt,id=a,param=-d', { type: 'passt', id: 'a', param: [{ str: '-d' }] }],
    ['user,id=a,ipv6-net=fd00::/48', { type: 'user', id: 'a', 'ipv6-prefix': 'fd00::', 'ipv6-prefixlen': 48 }],
    ['user,id=a,ipv6-net=fd00::', { type: 'user', id: 'a', 'ipv6-prefix': 'fd00::', 'ipv6-prefixlen': 64 }],
    ['user,id=a,ipv6-net=/-1', { type: 'user', id: 'a', 'ipv6-prefix': '', 'ipv6-prefixlen': -1 }],
    ['user,id=a,ipv6-net=x/200,ipv6-prefix=y', { type: 'user', id: 'a', 'ipv6-prefix': 'x', 'ipv6-prefixlen': 200 }],
  ])('%s', (text, value) => {
    expect(parse(text).value).toEqual(value);
  });

  it.each([
    ['', "Parameter 'id' is missing"],
    ['id=a', "Parameter 'type' is missing"],
    ['=user,id=a', "Parameter 'type' is missing"],
    ['user,,x,id=a', "Parameter 'type' does not accept value 'user,x'"],
    [',id=a', "Parameter 'type' does not accept value ''"],
    ['help,id=a', "Parameter 'type' does not accept value 'help'"],
    ['vmnet-host,id=a', "Parameter 'type' does not accept value 'vmnet-host'"],
    ['user,help', "Parameter 'id' is missing"],
    ['user,id=a,help', "Invalid parameter 'help'"],
    ['user,id=a,=5', "Invalid parameter ''"],
    ['hubport,id=a,hubid=5 ', "Parameter 'hubid' expects an int64 value"],
    ['hubport,id=a,hubid=', "Parameter 'hubid' expects an int64 value"],
    ['hubport,id=a,hubid=2147483648', "Parameter 'hubid' expects int32_t"],
    ['vde,id=a,port=-1', "Parameter 'port' expects a uint64 value"],
    ['vde,id=a,mode=0o7', "Parameter 'mode' expects a uint64 value"],
    ['vde,id=a,port=65536', "Parameter 'port' expects uint16_t"],
    ['user,id=a,ipv6-net=', "Parameter 'ipv6-net' expects a valid IPv6 prefix"],
    ['user,id=a,ipv6-net=fd00::/x', "parameter 'ipv6-net' expects a number after '/'"],
    ['user,id=a,ipv6-net=fd00::/', "parameter 'ipv6-net' expects a number after '/'"],
    ['user,id=a,ipv6-net=x,ipv6-net=y', "Invalid parameter 'ipv6-net'"],
    ['stream,id=a,server', "Expected '=' after parameter 'server'"],
    ['stream,id=a,addr=x', "Invalid parameter type for 'addr', expected: object"],
    ['stream,id=a,addr.type.x=unix', "Parameters 'addr.type.*' are unexpected"],
    ['listener,id=a', "Parameter 'addr' is missing"],
    ['dgram,id=a,ipv6-net=x', "Parameter 'ipv6-net' is unexpected"],
  ])('%s: %s', (text, expected) => {
    expect(fault(text)).toBe(expected);
  });

  it('gives warnings about short forms', () => {
    expect(parse('user,id,norestrict')).toEqual({
      value: { type: 'user', id: 'on', restrict: false },
      warnings: [SHORT('id', 'id=on'), SHORT('norestrict', 'restrict=off')],
      form: 'traditional',
    });
  });

  it('knows that -nic has no nested options', () => {
    const nic = (text: string) => faultOf(() => parseNetdevOptions(schema, parseOptionList(text, 'type')));
    expect(nic('stream,id=a,addr.type=unix')).toBe("Parameter 'type' is missing");
    expect(nic('dgram,id=a,remote.port=1')).toBe("Invalid parameter 'remote.port'");
  });
});
