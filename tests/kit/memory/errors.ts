import { HostError } from '../../../src/net/host.ts';

/** The C library's words, as every host gives them. */
const TEXTS: Record<string, string> = {
  EACCES: 'Permission denied',
  EADDRINUSE: 'Address already in use',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  EAI_NONAME: 'Name or service not known',
  EAI_AGAIN: 'Temporary failure in name resolution',
  ECONNABORTED: 'Software caused connection abort',
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  EHOSTUNREACH: 'No route to host',
  EMFILE: 'Too many open files',
  EMSGSIZE: 'Message too long',
  ENETUNREACH: 'Network is unreachable',
  ENOENT: 'No such file or directory',
  ENOTSUP: 'Operation not supported',
  EPIPE: 'Broken pipe',
  ETIMEDOUT: 'Connection timed out',
};

export function hostError(code: string): HostError {
  return new HostError(code, TEXTS[code] ?? code);
}
