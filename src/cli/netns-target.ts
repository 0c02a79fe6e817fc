/** The namespaces that `netyard netns` works on: somebody's, or new ones of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { Namespaces } from '../net/index.ts';
import { CommandLineError } from './scan-options.ts';

/** Where `ip netns add` keeps them. */
const NAMED = ['/run/netns', '/var/run/netns'];

const OWN = '/proc/self/ns/net';

export interface Target {
  readonly namespaces: Namespaces;
  /** For people. */
  readonly name: string;
  /** Whether the network namespace is still there under its path. */
  exists(): boolean;
}

/**
 * @param word a process's number, a path, or a name that `ip netns` knows
 * @param userNamespace the namespace that owns it, where its path does not tell
 * @throws CommandLineError
 */
export function findTarget(word: string, userNamespace?: string): Target {
  const net = netPath(word);
  const identity = word === '' || !isNetworkNamespace(net) ? undefined : identityOf(net);
  if (identity === undefined) throw new CommandLineError(`'${word}': ${whyNot(net)}`);
  const own = identityOf(OWN);
  if (identity === own) throw new CommandLineError(`${word}: that is the network namespace of this very program`);
  const user = userNamespace ?? userOf(net);
  return {
    namespaces: user === undefined || isOwn(user) ? { net } : { user, net },
    name: word,
    exists: () => identityOf(net) === identity,
  };
}

/** All namespaces are files of one device; a link of /proc also says the kind. */
function isNetworkNamespace(path: string): boolean {
  try {
    if (statSync(path).dev !== statSync(OWN).dev) return false;
    return !lstatSync(path).isSymbolicLink() || !/^(?!net:)\w+:\[/.test(readlinkSync(path));
  } catch {
    return false;
  }
}

function whyNot(path: string): string {
  try {
    statSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') return `${path} cannot be looked at: ${code}`;
  }
  return "no such network namespace (a process, a path, or a name of 'ip netns'); a command goes after --";
}

function netPath(word: string): string {
  if (/^\d+$/.test(word)) return `/proc/${word}/ns/net`;
  if (word.includes('/')) return word;
  const named = NAMED.map((folder) => join(folder, word)).find((path) => existsSync(path));
  return named ?? word;
}

/** Of /proc/PID/ns/net the process's user namespace: it is the owner, or above it. */
function userOf(net: string): string | undefined {
  const user = join(dirname(net), 'user');
  return basename(net) === 'net' && existsSync(user) ? user : undefined;
}

/** @throws CommandLineError */
function isOwn(user: string): boolean {
  const identity = identityOf(user);
  if (identity === undefined) throw new CommandLineError(`${user}: no such user namespace`);
  return identity === identityOf('/proc/self/ns/user');
}

function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/** Added to the number of the signal that ended a command. */
const KILLED = 128;

/** A command that waits in its namespaces until it is let go. */
export interface HeldCommand {
  readonly process: ChildProcess;
  /** Its namespaces, once they are made. */
  readonly target: Target;
  /** Its network is there: the command starts. */
  release(): void;
  /** Its exit status, or 128 and its signal; also when it ends before anybody asks. */
  readonly ended: Promise<number>;
}

/** Says that the namespaces are made, waits for the word to go, and becomes the command. Exit 125 = netyard ended. */
const HOLD = 'echo >&4 && read -r go <&3 && exec 3<&- 4>&- && exec "$@"; exit 125';

/**
 * Starts a command in new namespaces: network and mounts, and for who is not root a user namespace in which it is.
 * @throws CommandLineError when they cannot be made
 */
export async function holdCommand(command: readonly string[]): Promise<HeldCommand> {
  const user = process.geteuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  return hold('unshare', [...user, '--net', '--mount', '--', ...holding(command)], (pid) => ({
    namespaces: {
      ...(user.length === 0 ? {} : { user: `/proc/${pid}/ns/user` }),
      net: `/proc/${pid}/ns/net`,
      mount: `/proc/${pid}/ns/mnt`,
    },
    name: 'a namespace of its own',
    // It lasts as long as the command, whose end is seen.
    exists: () => true,
  }));
}

/** Starts a command in a namespace that is there. @throws CommandLineError */
export async function holdCommandIn(target: Target, command: readonly string[]): Promise<HeldCommand> {
  const { user, net } = target.namespaces;
  const enter = user === undefined ? [] : [`--user=${user}`, '--preserve-credentials'];
  return hold('nsenter', [...enter, `--net=${net}`, '--', ...holding(command)], () => target);
}

const holding = (command: readonly string[]): string[] => ['/bin/sh', '-c', HOLD, 'sh', ...command];

async function hold(program: string, argv: string[], target: (pid: number) => Target): Promise<HeldCommand> {
  const child = spawn(program, argv, { stdio: ['inherit', 'inherit', 'inherit', 'pipe', 'pipe'] });
  const [, , , go, ready] = child.stdio as unknown as [null, null, null, Writable, Readable];
  go.on('error', () => {});
  const ended = new Promise<number>((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? KILLED + (signal === null ? 0 : constants.signals[signal])));
  });
  const failed = new Promise<CommandLineError>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => resolve(refusal(program, error)));
    child.once('exit', () => resolve(refusal(program, undefined)));
  });
  const failure = await Promise.race([once(ready, 'data').then(() => undefined), failed]);
  if (failure !== undefined) throw failure;
  return {
    process: child,
    target: target(child.pid as number),
    release: () => go.end('go\n'),
    ended,
  };
}

/** What the program had to say is on stderr already. */
function refusal(program: string, error: NodeJS.ErrnoException | undefined): CommandLineError {
  if (error?.code === 'ENOENT') return new CommandLineError(`${program} is not installed: it is part of util-linux`);
  const hint = forbidsUserNamespaces() ?? "see 'netyard doctor' for what this host allows";
  return new CommandLineError(`${program} could not enter the namespaces${error ? `: ${error.message}` : ''}\n${hint}`);
}

/** A sysctl that keeps users from making namespaces, and how to change it. */
export function forbidsUserNamespaces(): string | undefined {
  const rules: readonly (readonly [string, string, string])[] = [
    ['kernel.unprivileged_userns_clone', '0', '1'],
    ['kernel.apparmor_restrict_unprivileged_userns', '1', '0'],
    ['user.max_user_namespaces', '0', '15000'],
  ];
  for (const [name, bad, good] of rules) {
    try {
      const value = readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').trim();
      if (value === bad) return `sysctl ${name} is ${bad}: sysctl -w ${name}=${good}`;
    } catch {
      // A kernel without that switch.
    }
  }
  return undefined;
}
