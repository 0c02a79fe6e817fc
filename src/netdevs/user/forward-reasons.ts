/** Why a forward cannot be had, in a line for the person who asked for it. */
import type { HostError } from '../../net/host.ts';
import type { HostForwardRule } from './forward-rules.ts';

/** Of Linux, unless the sysctl says otherwise. */
const FIRST_FREE_PORT = 1024;
const ANY = '0.0.0.0';

export function whyRefused(rule: HostForwardRule, error: HostError): string {
  const { hostAddress, hostPort } = rule;
  const port = `${rule.protocol} port ${hostPort}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return `${port} is in use${hostAddress === ANY ? '' : ` on ${hostAddress}`}: by another program, or another forward`;
    case 'EADDRNOTAVAIL':
      return `this host has no address ${hostAddress}`;
    case 'EACCES':
    case 'EPERM':
      if (hostPort >= FIRST_FREE_PORT) return `no right to use ${port}`;
      return `${port} needs a right: CAP_NET_BIND_SERVICE, or the sysctl net.ipv4.ip_unprivileged_port_start lowered`;
    default:
      return `${port}: ${error.message}`;
  }
}
