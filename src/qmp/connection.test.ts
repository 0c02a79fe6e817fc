import { describe, expect, expectTypeOf, it } from 'vitest';
import { type JsonObject, type JsonValue, QapiError } from '../qapi/index.ts';
import { connect } from './connect.ts';
import { openQmpConnection, type QmpConnection } from './connection.ts';
import type { QmpError, QmpSessionError } from './errors.ts';
import { createLocalSession } from './local-session.ts';
import { QmpServerSession } from './server-session.ts';
import type { QmpSession } from './session.ts';
import { SessionTurns } from './session-turns.ts';
import type { QmpEvent, QmpTarget } from './target.ts';
import { type QmpTransport, type WebSocketLike, webSocketTransport } from './transport.ts';

/** A schema as the emitter writes it. */
interface TestSchema {
  commands: {
    'query-big': { arguments: Record<never, never>; returns: { list: { value: number }[] } };
    'set-thing': { arguments: { 'the-id': string; n?: number | bigint | undefined }; returns: Record<never, never> };
    wait: { arguments: { n?: number | undefined }; returns: number };
  };
  events: { THING: { 'the-id': string }; BARE: Record<never, never> };
}

class Target implements QmpTarget {
  readonly version = { qemu: { major: 9, minor: 1, micro: 0 }, package: 'netyard test' };
  readonly listeners = new Set<(event: QmpEvent) => void>();
  readonly log: string[] = [];
  big: JsonValue = 2n ** 53n + 1n;
  /** Ends the command `stuck`. */
  release = (): void => {};
  isKnown(name: string): boolean {
    return ['query-big', 'set-thing', 'wait', 'defect', 'stuck'].includes(name);
  }
  allowsOob(): boolean {
    return false;
  }
  subscribe(listener: (event: QmpEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  emit(event: string, data?: JsonObject): void {
    for (const listener of this.listeners) listener({ event, data, timestamp: { seconds: 5, microseconds: 6 } });
  }
  async execute(name: string, args: JsonObject | undefined): Promise<JsonValue | undefined> {
    this.log.push(`${name} ${JSON.stringify(args, (_, v) => (typeof v === 'bigint' ? `${v}n` : v))}`);
    if (name === 'query-big') return { list: [{ value: 1 }, { value: this.big }] };
    if (name === 'stuck') await new Promise<void>((resolve) => (this.release = resolve));
    if (name === 'defect') throw new RangeError('ours');
    if (name === 'wait') {
      const n = (args?.['n'] ?? 0) as number;
      for (let i = 0; i < n; i++) await Promise.resolve();
      this.log.push(`done ${n}`);
      return n;
    }
    if (args?.['the-id'] === 'none') throw new QapiError("Device 'none' not found", { class: 'DeviceNotFound' });
    if (args?.['the-id'] === 'why') throw new QapiError('no', { hint: 'not told', data: { reason: 'is told' } });
    return undefined;
  }
}

/** A client transport joined to a server session, each side's bytes delivered in a later microtask. */
function link(target: QmpTarget): { transport: QmpTransport; server: QmpServerSession; drop: (error?: Error) => void } {
  const encoder = new TextEncoder();
  let open = true;
  const later = (run: () => void): void => void Promise.resolve().then(run);
  const drop = (error?: Error): void => {
    if (!open) return;
    open = false;
    server.dispose();
    later(() => transport.onClosed(error));
  };
  const transport: QmpTransport = {
    send: (text) => later(() => open && server.receive(encoder.encode(text))),
    close: () => drop(),
    onData: () => {},
    onClosed: () => {},
  };
  const server: QmpServerSession = new QmpServerSession(target, {
    send: (text) => later(() => open && transport.onData(encoder.encode(text))),
    close: () => drop(),
    abort: () => drop(),
    pauseInput: () => {},
    resumeInput: () => {},
    turns: new SessionTurns(() => 0, later),
    queuedBytes: 0,
  });
  later(() => server.start());
  return { transport, server, drop };
}

type Opened = { target: Target; session: QmpSession<TestSchema>; disconnect?: (error?: Error) => void };

async function remote(): Promise<Opened & { session: QmpConnection<TestSchema> }> {
  const target = new Target();
  const { transport, drop } = link(target);
  return { target, session: await openQmpConnection<TestSchema>(transport), disconnect: drop };
}

async function local(): Promise<Opened> {
  const target = new Target();
  return { target, session: createLocalSession<TestSchema>(target) };
}

describe.each([
  ['remote', remote],
  ['in process', local],
] as const)('a session, %s', (_, open) => {
  it('runs commands with typed arguments and results', async () => {
    const { session, target } = await open();
    target.big = 7n;
    const result = await session.execute('query-big');
    expectTypeOf(result).toEqualTypeOf<{ list: { value: number }[] }>();
    expect(result).toStrictEqual({ list: [{ value: 1 }, { value: 7 }] });
    expect(await session.execute('set-thing', { 'the-id': 'a', n: undefined })).toStrictEqual({});
    await session.execute('set-thing', { 'the-id': 'a', n: 2n ** 64n - 1n });
    expect(await session.call('wait', { n: 0 })).toBe(0);
    expect(target.log).toEqual([
      'query-big undefined',
      'set-thing {"the-id":"a"}',
      'set-thing {"the-id":"a","n":"18446744073709551615n"}',
      'wait {"n":0}',
      'done 0',
    ]);
  });

  it('refuses wrong names and arguments at compile time', async () => {
    const { session } = await open();
    const never = async (): Promise<void> => {
      // @ts-expect-error no such command
      await session.execute('query-small');
      // @ts-expect-error an argument is required
      await session.execute('set-thing');
      // @ts-expect-error the member is spelled with a hyphen
      await session.execute('set-thing', { theId: 'a' });
      // @ts-expect-error no such event
      session.events('OTHER');
    };
    expectTypeOf(never).toBeFunction();
    await expect(session.call('query-small')).rejects.toMatchObject({
      class: 'CommandNotFound',
    } satisfies Partial<QmpError>);
  });

  it('gives command errors with class and text', async () => {
    const { session } = await open();
    await expect(session.execute('set-thing', { 'the-id': 'none' })).rejects.toMatchObject({
      name: 'QmpError',
      class: 'DeviceNotFound',
      desc: "Device 'none' not found",
      message: "Device 'none' not found",
      data: undefined,
    });
    await expect(session.execute('set-thing', { 'the-id': 'why' })).rejects.toMatchObject({
      message: 'no',
      data: { reason: 'is told' },
    });
    await expect(session.call('nope')).rejects.toMatchObject({ desc: 'The command nope has not been found' });
    await expect(session.call('qmp_capabilities')).rejects.toMatchObject({
      desc: 'Capabilities negotiation is already complete, command ignored',
    });
  });

  it('runs commands in order, however long each takes', async () => {
    const { session, target } = await open();
    const results = await Promise.all([30, 0, 10].map((n) => session.execute('wait', { n })));
    expect(results).toEqual([30, 0, 10]);
    expect(target.log.filter((line) => line.startsWith('done'))).toEqual(['done 30', 'done 0', 'done 10']);
  });

  it('waits for a command as long as the caller wants', async () => {
    const { session, target } = await open();
    const reason = new RangeError('enough');
    const controller = new AbortController();
    const bySignal = session.call('stuck', {}, { signal: controller.signal });
    await expect(session.execute('wait', {}, { timeoutMs: 5 })).rejects.toMatchObject({
      name: 'QmpSessionError',
      code: 'NY_QMP_TIMEOUT',
      message: "no reply to 'wait' within 5 ms",
    });
    controller.abort(reason);
    await expect(bySignal).rejects.toBe(reason);
    // What was begun runs to its end; its reply is nobody's, and the session goes on.
    target.release();
    expect(await session.execute('wait', { n: 1 }, { signal: new AbortController().signal, timeoutMs: 60_000 })).toBe(
      1,
    );
    const before = target.log.length;
    await expect(session.execute('wait', undefined, { signal: controller.signal })).rejects.toBe(reason);
    await session.execute('wait', { n: 2 });
    expect(target.log.slice(before)).toEqual(['wait {"n":2}', 'done 2']);
  });

  it('names the member that is beyond 2^53', async () => {
    const { session } = await open();
    await expect(session.execute('query-big')).rejects.toMatchObject({
      code: 'NY_QMP_RANGE',
      message: expect.stringContaining("'query-big.list[1].value' is 9007199254740993"),
    });
    await session.execute('wait', {});
  });

  it('names the argument that has no JSON form', async () => {
    const { session, target } = await open();
    for (const [bad, path] of [
      [{ a: [Number.NaN] }, 'arguments.a[0]'],
      [{ a: { b: () => 0 } }, 'arguments.a.b'],
      [{ a: new Map() }, 'arguments.a'],
      [[1], 'arguments'],
    ] as const) {
      await expect(session.call('wait', bad)).rejects.toMatchObject({
        code: 'NY_QMP_USAGE',
        message: expect.stringContaining(`'${path}'`),
      });
    }
    expect(target.log).toEqual([]);
  });

  it('subscribes to events at the call and keeps them for a late reader', async () => {
    const { session, target } = await open();
    const stream = session.events('THING');
    const all = session.events('*');
    target.emit('BARE');
    target.emit('THING', { 'the-id': 'x' });
    await session.execute('wait');
    const first = await stream.next();
    expect(first).toStrictEqual({
      done: false,
      value: { event: 'THING', data: { 'the-id': 'x' }, timestamp: { seconds: 5, microseconds: 6 } },
    });
    if (first.done !== true) expectTypeOf(first.value.data).toEqualTypeOf<{ 'the-id': string }>();
    const names: string[] = [];
    for await (const event of all) {
      names.push(event.event);
      if (names.length === 2) break;
    }
    expect(names).toEqual(['BARE', 'THING']);
    target.emit('THING', { 'the-id': 'y' });
    expect(await all.next()).toEqual({ done: true, value: undefined });
  });

  it('ends a stream with an error when its reader falls behind, others stay', async () => {
    const { session, target } = await open();
    const slow = session.events('*', { cap: 3 });
    const wide = session.events('*');
    for (let i = 0; i < 10; i++) target.emit('THING', { 'the-id': `${i}` });
    await session.execute('wait');
    const seen: unknown[] = [];
    const error = await (async () => {
      for await (const event of slow) if (event.event === 'THING') seen.push(event.data['the-id']);
    })().catch((e: QmpSessionError) => e);
    expect(seen).toEqual(['0', '1', '2']);
    expect(error).toMatchObject({ code: 'NY_QMP_OVERFLOW' });
    expect(await slow.next()).toMatchObject({ done: true });
    for (let i = 0; i < 10; i++) expect((await wide.next()).done).toBe(false);
  });

  it('ends a stream by signal and by dispose', async () => {
    const { session } = await open();
    const controller = new AbortController();
    const byHand = session.events('THING', { signal: controller.signal });
    const next = byHand.next();
    controller.abort(new RangeError('enough'));
    await expect(next).rejects.toThrow('enough');
    expect(await byHand.next()).toMatchObject({ done: true });
    await expect(session.events('*', { signal: controller.signal }).next()).rejects.toThrow('enough');
    const disposed = session.events('*');
    {
      await using stream = disposed;
      expect(stream).toBe(disposed);
    }
    expect(await disposed.next()).toMatchObject({ done: true });
  });

  it('ends cleanly: streams end, commands reject, nothing stays subscribed', async () => {
    const { session, target } = await open();
    const stream = session.events('*');
    const waiting = stream.next();
    await session.close();
    await session.close();
    expect(await waiting).toMatchObject({ done: true });
    await expect(session.execute('wait')).rejects.toMatchObject({ code: 'NY_QMP_CLOSED' });
    expect(await session.events('*').next()).toMatchObject({ done: true });
    expect(target.listeners.size).toBe(0);
  });
});

describe('a remote session', () => {
  it('knows its peer', async () => {
    const { session } = await remote();
    expect(session.version).toEqual({ qemu: { major: 9, minor: 1, micro: 0 }, package: 'netyard test' });
    expect(session.capabilities).toEqual(['oob']);
  });

  it('gives bigint where asked to', async () => {
    const { transport } = link(new Target());
    const session = await connect<TestSchema>(transport, { bigint: true });
    const result = await session.execute('query-big');
    expectTypeOf(result.list[0]!.value).toEqualTypeOf<number | bigint>();
    expect(result.list.map((item) => item.value)).toEqual([1, 2n ** 53n + 1n]);
    await session.close();
  });

  it('fails everything that waits when the peer goes', async () => {
    const { session, disconnect } = await remote();
    const command = session.execute('wait', { n: 1000 });
    const stream = session.events('*');
    const unread = session.events('*');
    const event = stream.next();
    disconnect?.(new RangeError('reset'));
    const lost = { code: 'NY_QMP_DISCONNECTED', message: expect.stringContaining('reset') };
    await expect(command).rejects.toMatchObject(lost);
    await expect(event).rejects.toMatchObject(lost);
    await expect(unread.next()).rejects.toMatchObject(lost);
    await expect(session.execute('wait')).rejects.toMatchObject(lost);
    await expect(session.closed).resolves.toMatchObject(lost);
  });
});

/** A transport whose peer is the test. */
function scripted() {
  const sent: string[] = [];
  const transport: QmpTransport & { closes: number } = {
    closes: 0,
    send: (text) => void sent.push(text),
    close() {
      this.closes++;
      void Promise.resolve().then(() => transport.onClosed());
    },
    onData: () => {},
    onClosed: () => {},
  };
  const say = (text: string): void => transport.onData(new TextEncoder().encode(text));
  return { transport, say, sent };
}

const GREETING =
  '{"QMP": {"version": {"qemu": {"micro": 1, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}\r\n';

describe('a peer that misbehaves', () => {
  it.each([
    ['SSH-2.0-OpenSSH\r\n'],
    ['{"return": {}}'],
    ['{"QMP": 1}'],
    ['[]'],
    [`${GREETING}{"return": {}, "id": 99}`],
    [`${GREETING}{"what": 1}`],
    [`${GREETING}{"event": 1, "timestamp": {}}`],
    [`${GREETING}{"event": "X", "timestamp": {}}`],
    [`${GREETING}[1`.concat(']')],
  ])('is left: %j', async (text) => {
    const { transport, say } = scripted();
    const opening = openQmpConnection(transport);
    say(text);
    await expect(opening).rejects.toMatchObject({ code: 'NY_QMP_PROTOCOL' });
    expect(transport.closes).toBe(1);
    say(GREETING);
  });

  it('may leave the id out of an error: the oldest request is meant', async () => {
    const { transport, say, sent } = scripted();
    const opening = openQmpConnection<TestSchema>(transport);
    say(GREETING);
    await Promise.resolve();
    await Promise.resolve();
    expect(sent).toEqual(['{"execute": "qmp_capabilities", "id": 1}\r\n']);
    say('{"return": {}, "id": 1}');
    const session = await opening;
    const first = session.call('a');
    const second = session.call('b');
    await Promise.resolve();
    say('{"error": {"class": "GenericError", "desc": "JSON token size limit exceeded"}}{"return": 1, "id": 3}');
    await expect(first).rejects.toMatchObject({ desc: 'JSON token size limit exceeded' });
    await expect(second).resolves.toBe(1);
  });

  it('that never greets is given up by signal or time', async () => {
    const byTime = scripted();
    await expect(connect(byTime.transport, { timeoutMs: 1 })).rejects.toMatchObject({ code: 'NY_QMP_TIMEOUT' });
    expect(byTime.transport.closes).toBe(1);
    const bySignal = scripted();
    const reason = new RangeError('enough');
    await expect(connect(bySignal.transport, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(bySignal.transport.closes).toBe(1);
  });
});

describe('connect without Node', () => {
  it('refuses an address and says what to give instead', async () => {
    for (const address of ['unix:/run/x', '/run/x', { host: 'h', port: 1 }, { path: '/x' }]) {
      await expect(connect(address)).rejects.toMatchObject({
        code: 'NY_QMP_USAGE',
        message: expect.stringContaining('WebSocket'),
      });
    }
  });

  it('takes a WebSocket, connecting or open, text or binary', async () => {
    const listeners = new Map<string, (event: { data?: unknown }) => void>();
    const sent: string[] = [];
    const socket = {
      binaryType: 'blob',
      readyState: 0,
      send: (data: string) => void sent.push(data),
      close: () => listeners.get('close')?.({}),
      addEventListener: (type: string, listener: (event: { data?: unknown }) => void) =>
        void listeners.set(type, listener),
    } satisfies WebSocketLike;
    const opening = connect<TestSchema>(socket);
    listeners.get('message')?.({ data: GREETING });
    for (let i = 0; i < 10; i++) await Promise.resolve();
    expect(sent).toEqual([]);
    socket.readyState = 1;
    listeners.get('open')?.({});
    expect(sent).toHaveLength(1);
    listeners.get('message')?.({ data: new TextEncoder().encode('{"return": {}, "id": 1}').buffer });
    const session = await opening;
    expect(socket.binaryType).toBe('arraybuffer');
    await session.close();
    expect(webSocketTransport(socket)).toBeDefined();
  });
});

it('does not take a defect of the target for a command error', async () => {
  const { session } = await local();
  await expect(session.call('defect')).rejects.toThrow(RangeError);
});
