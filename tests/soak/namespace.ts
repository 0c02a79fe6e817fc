/** The guest's world: a network namespace that a tap is moved into. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';

export interface GuestNamespace {
  /** Moves an interface in and configures it. */
  adopt(interfaceName: string, address: string, gateway: string): void;
  /** Starts a program inside. */
  spawn(argv: readonly string[]): ChildProcess;
  /** Ends what runs inside and removes it. */
  close(): void;
}

export function openNamespace(name: string): GuestNamespace {
  const ip = (...args: string[]): void => void execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  ip('netns', 'add', name);
  ip('-n', name, 'link', 'set', 'lo', 'up');
  const children = new Set<ChildProcess>();
  return {
    adopt: (interfaceName, address, gateway) => {
      ip('link', 'set', interfaceName, 'netns', name);
      ip('-n', name, 'addr', 'add', address, 'dev', interfaceName);
      ip('-n', name, 'link', 'set', interfaceName, 'up');
      ip('-n', name, 'route', 'add', 'default', 'via', gateway);
    },
    spawn: (argv) => {
      const child = spawn('ip', ['netns', 'exec', name, ...argv], { stdio: ['pipe', 'pipe', 'inherit'] });
      children.add(child);
      child.once('exit', () => children.delete(child));
      return child;
    },
    close: () => {
      for (const child of children) child.kill('SIGKILL');
      ip('netns', 'del', name);
    },
  };
}
