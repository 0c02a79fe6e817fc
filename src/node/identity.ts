import { homedir, userInfo } from 'node:os';
import type { Identity } from '../net/index.ts';

export function nodeIdentity(): Identity {
  return { processId: process.pid, userName: userName(), home: homeDirectory() };
}

/** An id without an entry in passwd has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.geteuid?.() ?? '');
  }
}

/** '' for an id without an entry in passwd, unless HOME names one. */
export function homeDirectory(): string {
  try {
    return homedir();
  } catch {
    return '';
  }
}
