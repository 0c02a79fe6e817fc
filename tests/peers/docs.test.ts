/**
 * What the documentation shows is run: blocks marked `sh run` in a shell with `netyard` on PATH, and `qmp ARGUMENTS`
 * transcripts against a yard started with those arguments. In a transcript `-> ` is sent, `<- ` is a reply or an event
 * that must come, `$DIR` is a folder of its own and "…" stands for any value.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROGRAM, startDaemon } from '../kit/guest/daemon.ts';
import type { QmpEventMessage } from '../kit/guest/qmp-wire.ts';

interface Block {
  readonly where: string;
  readonly info: string;
  readonly text: string;
}

const root = new URL('../../', import.meta.url).pathname;
const blocks = ['README.md', ...pages('docs')].flatMap(fenced);
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'netyard-docs-'));
  mkdirSync(join(folder, 'bin'));
  writeFileSync(join(folder, 'bin/netyard'), `#!/bin/sh\nexec ${process.execPath} ${PROGRAM} "$@"\n`, { mode: 0o755 });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('shell examples run', () => {
  test.each(blocks.filter(({ info }) => info === 'sh run'))('$where', async ({ text }) => {
    const runtime = mkdtempSync(join(folder, 'run-'));
    const { status, output } = await shell(text, {
      ...process.env,
      PATH: `${join(folder, 'bin')}:${process.env['PATH']}`,
      XDG_RUNTIME_DIR: runtime,
      XDG_STATE_HOME: `${runtime}/state`,
    });
    expect(status, output).toBe(0);
  });
});

describe('monitor transcripts are true', () => {
  test.each(blocks.filter(({ info }) => info.startsWith('qmp')))('$where', async ({ info, text }) => {
    const runtime = mkdtempSync(join(folder, 'qmp-'));
    const yard = await startDaemon({ name: 'doc', runtime, args: monitored(info.split(' ').slice(1), runtime) });
    try {
      let reply: Promise<unknown> = Promise.resolve();
      const events: QmpEventMessage[] = [];
      for (const line of text.replaceAll('$DIR', runtime).split('\n')) {
        const message = line.trim() === '' ? undefined : (JSON.parse(line.slice(3)) as Record<string, unknown>);
        if (message === undefined) continue;
        if (line.startsWith('-> ')) {
          await reply;
          reply = yard.qmp.execute(message['execute'] as string, message['arguments'] as Record<string, unknown>);
          reply.catch(() => undefined);
        } else if ('event' in message) {
          const found = await yard.qmp.event((event) => !events.includes(event) && matches(event, message));
          events.push(found);
        } else if ('error' in message) {
          const { class: kind, desc } = message['error'] as { class: string; desc: string };
          await expect(reply, line).rejects.toThrow(`${kind}: ${desc}`);
          reply = Promise.resolve();
        } else {
          const value = await reply;
          expect(matches(value, message['return']), `${line}\ncame: ${JSON.stringify(value)}`).toBe(true);
        }
      }
    } finally {
      expect(await yard.end()).toBe(0);
    }
  });
});

test('there is something to run', () => {
  expect(blocks.filter(({ info }) => info === 'sh run').length).toBeGreaterThanOrEqual(2);
  expect(blocks.filter(({ info }) => info.startsWith('qmp')).length).toBeGreaterThanOrEqual(7);
});

/** With -nodefaults a yard has no monitor unless one is asked for. */
function monitored(args: readonly string[], runtime: string): string[] {
  const path = join(runtime, 'netyard', 'doc', 'qmp.sock');
  return args.includes('-nodefaults') ? [...args, '-qmp', `unix:${path},server=on,wait=off`] : [...args];
}

function matches(value: unknown, pattern: unknown): boolean {
  if (pattern === '…') return value !== undefined;
  if (Array.isArray(pattern)) {
    return (
      Array.isArray(value) && value.length === pattern.length && pattern.every((part, i) => matches(value[i], part))
    );
  }
  if (typeof pattern !== 'object' || pattern === null) return value === pattern;
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(pattern).every(([key, part]) => matches((value as Record<string, unknown>)[key], part));
}

function shell(script: string, env: NodeJS.ProcessEnv): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-euo', 'pipefail', '-c', script], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (part: string) => {
        output += part;
      });
    }
    const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
    child.on('close', (status) => {
      clearTimeout(timer);
      resolve({ status, output });
    });
  });
}

function pages(folderName: string): string[] {
  return readdirSync(join(root, folderName), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folderName}/${entry.name}`;
    if (entry.isDirectory()) return /node_modules|\.vitepress|schema/.test(entry.name) ? [] : pages(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

function fenced(path: string): Block[] {
  let text: string;
  try {
    text = readFileSync(join(root, path), 'utf8');
  } catch {
    return [];
  }
  return [...text.matchAll(/^```(sh run|qmp.*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    where: `${path}:${text.slice(0, match.index).split('\n').length}`,
    info: match[1]!.trim(),
    text: match[2]!,
  }));
}
